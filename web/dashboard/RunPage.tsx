// One run: its pictures and charts, its configuration, its log.

import { useEffect, useRef } from "preact/hooks";
import type { RunDetail } from "../../src/protocol/api.js";
import { fileAddress } from "./api.js";
import { Charts } from "./charts.js";
import { Explore } from "./Explore.js";
import { ago, kimg, megabytes, seconds, short, statusTexts } from "./format.js";
import { useLive } from "./hooks.js";
import type { LiveRun } from "./live.js";
import { latestMetrics } from "./measures.js";
import { Pictures } from "./Pictures.js";
import { Steer, textOf } from "./Steer.js";

export const views = { "": "Overview", explore: "Explore", config: "Configuration", log: "Log" } as const;
export type View = keyof typeof views;

export function RunPage({ name, view }: { name: string; view: View }) {
  const live = useLive();
  const [run] = live.watch([name]);
  useEffect(() => {
    document.title = `${name} · stylegan`;
    return () => {
      document.title = "stylegan";
    };
  }, [name]);
  if (!run) return null;
  const { detail } = run;
  if (run.gone && !detail)
    return (
      <section class="panel no-runs">
        <h1>No such run</h1>
        <p>
          There is no run {name} in the folder. <a href="#/">All runs</a>
        </p>
      </section>
    );
  return (
    <>
      <div class="page-head">
        <h1>{name}</h1>
        {detail ? <Status detail={detail} gone={run.gone} /> : null}
      </div>
      <nav class="tabs" aria-label="Views of the run">
        {(Object.keys(views) as View[]).map((key) => (
          <a
            key={key}
            class="tab"
            href={`#/run/${encodeURIComponent(name)}${key && `/${key}`}`}
            aria-current={view === key ? "page" : undefined}
          >
            {views[key]}
          </a>
        ))}
      </nav>
      {detail === null ? (
        <p class="empty tall">Reading the run …</p>
      ) : view === "explore" ? (
        <Explore name={name} snapshots={detail.snapshots} />
      ) : view === "config" ? (
        <Configuration detail={detail} />
      ) : view === "log" ? (
        <Log run={run} />
      ) : (
        <Overview run={run} detail={detail} folder={live.session?.folder ?? "runs"} />
      )}
    </>
  );
}

function Status({ detail, gone }: { detail: RunDetail; gone: boolean }) {
  const { status } = detail.summary;
  return (
    <span class={`status ${gone ? "lost" : status}`}>
      {gone ? "The folder is gone" : statusTexts[status]}
    </span>
  );
}

function Overview({ run, detail, folder }: { run: LiveRun; detail: RunDetail; folder: string }) {
  return (
    <>
      <Failure run={run} />
      <Facts run={run} detail={detail} />
      <div class="overview">
        <div class="aside">
          <Pictures name={run.name} detail={detail} />
          <Steer run={run} detail={detail} folder={folder} />
          <Events run={run} />
        </div>
        <Charts runs={[run]} />
      </div>
    </>
  );
}

function Facts({ run, detail }: { run: LiveRun; detail: RunDetail }) {
  const { nimg, totalNimg, secPerKimg, totalSeconds, memoryMb, status, updated } = detail.summary;
  const share = totalNimg ? Math.min(nimg / totalNimg, 1) : 0;
  const left = totalNimg !== null && secPerKimg !== null ? ((totalNimg - nimg) / 1000) * secPerKimg : null;
  const alive = status === "training" || status === "paused";
  const facts: [string, string][] = [
    ["Shown", `${kimg(nimg)}${totalNimg === null ? "" : ` / ${kimg(totalNimg)}`} kimg`],
    ["Time", totalSeconds === null ? "–" : seconds(totalSeconds)],
    alive ? ["Left", left === null ? "–" : seconds(left)] : ["Last change", ago(updated) || "–"],
    ["Speed", secPerKimg === null ? "–" : `${short(secPerKimg)} sec/kimg`],
    ["Memory", memoryMb === null ? "–" : `${memoryMb} MB`],
    ...latestMetrics(detail),
  ];
  return (
    <section class="facts panel" aria-label="Progress">
      {run.series.length === 0 && alive ? (
        <p class="first-tick soft" role="status">
          {run.loaded
            ? "Training has begun. The first figures come with the first tick."
            : "Reading the statistics …"}
        </p>
      ) : null}
      <dl>
        {facts.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <progress max={1} value={share} aria-label="Share of the run's images" />
    </section>
  );
}

/** What a run that has plainly failed says at its end; a run that has gone on since says nothing. */
function Failure({ run }: { run: LiveRun }) {
  const last = run.series.events.at(-1);
  if (last?.event !== "failed") return null;
  return (
    <p class="notice bad" role="alert">
      This run has failed: {last.reasons.join("; ")}.
    </p>
  );
}

function Events({ run }: { run: LiveRun }) {
  const latest = run.series.events.slice(-6).reverse();
  if (latest.length === 0) return null;
  return (
    <section class="panel events">
      <h2>What was asked of it</h2>
      <ul>
        {latest.map((event, i) => (
          <li key={`${event.timestamp} ${i}`}>
            <time class="soft">{new Date(event.timestamp * 1000).toLocaleTimeString()}</time> {textOf(event)}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Configuration({ detail }: { detail: RunDetail }) {
  const { options, snapshots, summary } = detail;
  return (
    <div class="two-columns">
      <section class="panel">
        <h2>Configuration</h2>
        {options ? (
          <Values value={options} />
        ) : (
          <p class="empty">training_options.json is missing or cannot be read.</p>
        )}
      </section>
      <section class="panel">
        <h2>Snapshots</h2>
        {snapshots.length === 0 ? <p class="empty">None yet.</p> : null}
        <ul class="files">
          {[...snapshots].reverse().map(({ name, kimg: at, bytes }) => (
            <li key={name}>
              <a href={fileAddress(summary.name, name)} download>
                {at.toLocaleString("en")} kimg
              </a>
              <span class="soft">{megabytes(bytes)}</span>
            </li>
          ))}
        </ul>
      </section>
    </div>
  );
}

/** An object of a configuration as a list of names and values; objects in it are lists of their own. */
function Values({ value }: { value: Record<string, unknown> }) {
  return (
    <dl class="values">
      {Object.entries(value).map(([name, entry]) => {
        const isObject = typeof entry === "object" && entry !== null && !Array.isArray(entry);
        return (
          <div key={name} class={isObject ? "nested" : ""}>
            <dt>{name}</dt>
            <dd>
              {isObject ? <Values value={entry as Record<string, unknown>} /> : <code>{shown(entry)}</code>}
            </dd>
          </div>
        );
      })}
    </dl>
  );
}

function shown(value: unknown): string {
  if (value === null) return "none";
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(shown).join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}

function Log({ run }: { run: LiveRun }) {
  const box = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  // Dependencies: a new log is why to scroll.
  useEffect(() => {
    const element = box.current;
    if (element && follows.current) element.scrollTop = element.scrollHeight;
  }, [run.log]);
  return (
    <section class="panel log">
      <h2>Log</h2>
      {run.log === "" ? (
        <p class="empty">Nothing yet.</p>
      ) : (
        <div
          ref={box}
          class="log-text"
          role="log"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
          tabIndex={0}
          aria-label="Log"
          onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
            follows.current = scrollTop + clientHeight > scrollHeight - 30;
          }}
        >
          {run.log}
        </div>
      )}
    </section>
  );
}
