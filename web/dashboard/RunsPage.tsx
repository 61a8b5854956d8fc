// The list of runs.

import { useState } from "preact/hooks";
import type { RunSummary, Session } from "../../src/protocol/api.js";
import { fileAddress } from "./api.js";
import { ago, kimg, seconds, short, statusTexts } from "./format.js";
import { useLive } from "./hooks.js";

export function RunsPage() {
  const live = useLive();
  const { runs, session } = live;
  live.watch([]);
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set());
  const toggle = (name: string) => {
    const next = new Set(marked);
    if (!next.delete(name) && next.size < 8) next.add(name);
    setMarked(next);
  };
  if (runs === null) return <p class="empty tall">Looking for runs …</p>;
  return (
    <>
      <div class="page-head">
        <h1>Runs</h1>
        {session ? <span class="soft">in {session.folder}</span> : null}
        <span class="grow" />
        {runs.length > 1 ? (
          <button
            type="button"
            class={marked.size < 2 ? "" : "primary"}
            disabled={marked.size < 2}
            onClick={() => {
              location.hash = `#/compare/${[...marked].map(encodeURIComponent).join("/")}`;
            }}
          >
            {marked.size < 2 ? "Compare: mark two or more" : `Compare ${marked.size}`}
          </button>
        ) : null}
      </div>
      <Preparing session={session} />
      {runs.length === 0 && session?.training?.state !== "preparing" ? (
        <NoRuns folder={session?.folder} />
      ) : null}
      <ul class="runs">
        {runs.map((run) => (
          <RunCard
            key={run.name}
            run={run}
            marked={marked.has(run.name)}
            onToggle={runs.length > 1 ? () => toggle(run.name) : null}
          />
        ))}
      </ul>
    </>
  );
}

/** What a training says before it has a run's folder. */
export function Preparing({ session }: { session: Session | null }) {
  const training = session?.training;
  if (training?.state !== "preparing") return null;
  const { source, done, total } = training;
  return (
    <section class="panel preparing" role="status">
      <h2>Preparing data …</h2>
      <p class="soft">
        {total === null
          ? `Reading ${source}`
          : `${done.toLocaleString("en")} of ${total.toLocaleString("en")} pictures of ${source}`}
      </p>
      <progress max={total ?? 1} value={total === null ? undefined : done} aria-label="Pictures prepared" />
    </section>
  );
}

function NoRuns({ folder }: { folder: string | undefined }) {
  return (
    <section class="panel no-runs">
      <h2>No runs yet{folder ? ` in ${folder}` : ""}</h2>
      <p>Start one, and it appears here:</p>
      <pre class="command">stylegan train --data emoji:smileys --resolution 32 --mirror</pre>
    </section>
  );
}

interface RunCardProps {
  run: RunSummary;
  marked: boolean;
  onToggle: (() => void) | null;
}

function RunCard({ run, marked, onToggle }: RunCardProps) {
  const { name, status, cfg, data, resolution, nimg, totalNimg, secPerKimg, updated, picture } = run;
  const [pictureName, version] = picture?.split("?") ?? [];
  const facts = [data, cfg, resolution === null ? null : `${resolution} px`].filter((fact) => fact !== null);
  const alive = status === "training";
  const left = totalNimg !== null && secPerKimg !== null ? ((totalNimg - nimg) / 1000) * secPerKimg : null;
  return (
    <li class="run-card panel">
      <div class="thumb">
        {pictureName ? <img src={fileAddress(name, pictureName, version)} alt="" loading="lazy" /> : null}
      </div>
      <div class="run-facts">
        <h2>
          <a class="run-name" href={`#/run/${encodeURIComponent(name)}`}>
            {name}
          </a>
        </h2>
        <p class="soft">{facts.join(" · ") || "no readable configuration"}</p>
        <p class="run-line">
          <span class={`status ${status}`}>{statusTexts[status]}</span>
          <span>
            {kimg(nimg)}
            {totalNimg === null ? "" : ` / ${kimg(totalNimg)}`} kimg
          </span>
          {secPerKimg === null ? null : <span>{short(secPerKimg)} sec/kimg</span>}
          <span class="soft">{alive && left !== null ? `${seconds(left)} left` : ago(updated)}</span>
        </p>
        {totalNimg === null ? null : (
          <progress max={totalNimg} value={Math.min(nimg, totalNimg)} aria-label={`Progress of ${name}`} />
        )}
      </div>
      {onToggle ? (
        <label class="mark-run">
          <input type="checkbox" checked={marked} onChange={onToggle} />
          <span>Compare</span>
          <span class="visually-hidden">{name}</span>
        </label>
      ) : null}
    </li>
  );
}
