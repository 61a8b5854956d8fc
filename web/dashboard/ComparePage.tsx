// Several runs over each other.

import { fileAddress } from "./api.js";
import { Charts } from "./charts.js";
import { kimg, statusTexts } from "./format.js";
import { useLive } from "./hooks.js";
import type { LiveRun } from "./live.js";
import { latestMetrics } from "./measures.js";

export function ComparePage({ names }: { names: readonly string[] }) {
  const live = useLive();
  const runs = live.watch(names);
  return (
    <>
      <div class="page-head">
        <h1>Compare</h1>
        <a href="#/">All runs</a>
      </div>
      <section class="compared panel" aria-label="The runs">
        {runs.map((run, i) => (
          <Compared key={run.name} run={run} index={i} />
        ))}
      </section>
      <Charts runs={runs} />
      <Differences runs={runs} />
    </>
  );
}

function Compared({ run, index }: { run: LiveRun; index: number }) {
  const { name, detail, gone } = run;
  const picture = detail?.fakes.at(-1);
  const measured = detail ? latestMetrics(detail).map((entry) => `, ${entry.join(" ")}`) : [];
  return (
    <figure>
      {picture ? (
        <img src={fileAddress(name, picture.name, picture.version)} alt={`Latest fakes of ${name}`} />
      ) : (
        <div class="no-picture" />
      )}
      <figcaption>
        <i data-colour={`run-${index}`} />
        <a href={`#/run/${encodeURIComponent(name)}`}>{name}</a>
        <span class="soft">
          {gone
            ? "gone"
            : detail
              ? `${statusTexts[detail.summary.status]}, ${kimg(detail.summary.nimg)} kimg${measured.join("")}`
              : "…"}
        </span>
      </figcaption>
    </figure>
  );
}

/** The options in which the runs are not alike. */
function Differences({ runs }: { runs: readonly LiveRun[] }) {
  const flat = runs.map(({ detail }) => flattened(detail?.options ?? {}));
  const names = [...new Set(flat.flatMap((options) => [...options.keys()]))].filter(
    (name) => new Set(flat.map((options) => options.get(name))).size > 1,
  );
  return (
    <section class="panel differences">
      <h2>What is different</h2>
      {names.length === 0 ? (
        <p class="empty">The runs have the same configuration.</p>
      ) : (
        <div class="scrolls">
          <table>
            <thead>
              <tr>
                <th scope="col">option</th>
                {runs.map(({ name }, i) => (
                  <th scope="col" key={name}>
                    <i data-colour={`run-${i}`} /> {/^\d+/.exec(name)?.[0] ?? name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {names.map((name) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  {flat.map((options, i) => (
                    <td key={runs[i]?.name}>{options.get(name) ?? "–"}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function flattened(value: Record<string, unknown>, prefix = ""): Map<string, string> {
  const entries = Object.entries(value).flatMap(([name, entry]): [string, string][] =>
    typeof entry === "object" && entry !== null && !Array.isArray(entry)
      ? [...flattened(entry as Record<string, unknown>, `${prefix}${name}.`)]
      : [[`${prefix}${name}`, typeof entry === "string" ? entry : JSON.stringify(entry)]],
  );
  return new Map(entries);
}
