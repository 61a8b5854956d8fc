// Pause, snapshot, stop, and new values of settings, for a run that trains.

import { useEffect, useRef, useState } from "preact/hooks";
import type { RunDetail } from "../../src/protocol/api.js";
import type { CommandRequest, Setting, Settings } from "../../src/protocol/control.js";
import type { EventRow } from "../../src/protocol/runFiles.js";
import { control, hasToken } from "./api.js";
import { kimg, short } from "./format.js";
import type { LiveRun } from "./live.js";

const answerMs = 60_000;

/** A command on its way: the trainer answers between two steps. */
interface Asked {
  id: string;
  text: string;
}

interface SteerProps {
  run: LiveRun;
  detail: RunDetail;
  /** The folder of the runs, as the user has named it. */
  folder: string;
}

export function Steer({ run, detail, folder }: SteerProps) {
  const [asked, setAsked] = useState<Asked | null>(null);
  const [notice, setNotice] = useState<{ text: string; bad?: boolean } | null>(null);
  const { status } = detail.summary;
  const alive = status === "training" || status === "paused";
  const events = run.series.events;
  const answers = asked ? events.filter((event) => event.id === asked.id) : [];
  const answered = answers.length > 0;

  useEffect(() => {
    if (!asked) return;
    if (answered) {
      setAsked(null);
      setNotice({
        text: answers.map(textOf).join(" "),
        bad: answers.some(({ event }) => event === "refused"),
      });
      return;
    }
    const timer = setTimeout(() => {
      setAsked(null);
      setNotice({ text: "The training has not answered; it may be at something long.", bad: true });
    }, answerMs);
    return () => clearTimeout(timer);
  }, [asked, answered]);

  const ask = async (request: CommandRequest, text: string) => {
    setNotice(null);
    try {
      setAsked({ id: await control(run.name, request), text });
    } catch (error) {
      setNotice({ text: String((error as Error).message), bad: true });
    }
  };

  if (!alive)
    return (
      <div class="steer panel">
        <h2>Steer</h2>
        <p class="soft">
          {status === "complete"
            ? "The run is complete. It can be made longer with"
            : "Nothing trains this run now. Go on with"}
        </p>
        <pre class="command">
          stylegan train --resume {pathOf(folder, run.name)}
          {status === "complete" ? " --kimg N" : ""} --serve
        </pre>
      </div>
    );
  const disabled = !hasToken() || asked !== null;
  return (
    <div class="steer panel">
      <h2>Steer</h2>
      <div class="buttons">
        {status === "paused" ? (
          <button
            type="button"
            class="primary"
            disabled={disabled}
            onClick={() => ask({ command: "resume" }, "Going on …")}
          >
            Resume
          </button>
        ) : (
          <button type="button" disabled={disabled} onClick={() => ask({ command: "pause" }, "Pausing …")}>
            Pause
          </button>
        )}
        <button
          type="button"
          disabled={disabled}
          onClick={() => ask({ command: "snapshot" }, "Taking a snapshot …")}
        >
          Snapshot now
        </button>
        <StopButton disabled={disabled} onStop={() => ask({ command: "stop" }, "Stopping …")} />
      </div>
      <SettingsForm
        {...{ settings: detail.settings, disabled }}
        onSet={(settings) => ask({ command: "set", settings }, "Changing …")}
      />
      <p class={`notice ${notice?.bad ? "bad" : ""}`} role="status">
        {asked?.text ??
          notice?.text ??
          (hasToken() ? "" : "Only looking: to steer, open the address that the server has printed.")}
      </p>
    </div>
  );
}

/** A run's folder on the command line; the folder served may be the run itself. */
function pathOf(folder: string, name: string): string {
  const parts = folder.replace(/\/+$/, "").split("/");
  return parts.at(-1) === name ? parts.join("/") : [...parts, name].join("/");
}

function StopButton({ disabled, onStop }: { disabled: boolean; onStop: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  return (
    <>
      <button type="button" disabled={disabled} onClick={() => dialog.current?.showModal()}>
        Stop …
      </button>
      <dialog ref={dialog} class="confirm" aria-label="Stop the training?">
        <h2>Stop the training?</h2>
        <p>It saves a snapshot and ends. It can be resumed exactly from there.</p>
        <form method="dialog" class="buttons">
          <button type="submit">Go on training</button>
          <button type="submit" class="danger" onClick={onStop}>
            Stop
          </button>
        </form>
      </dialog>
    </>
  );
}

interface SettingsFormProps {
  settings: readonly Setting[];
  disabled: boolean;
  onSet: (settings: Settings) => void;
}

function SettingsForm({ settings, disabled, onSet }: SettingsFormProps) {
  const [edited, setEdited] = useState<Readonly<Record<string, string>>>({});
  const changed = settings.flatMap(({ name, value }) => {
    const text = edited[name] ?? "";
    return text !== "" && Number(text) !== value ? [[name, Number(text)] as const] : [];
  });
  return (
    <form
      class="settings"
      onSubmit={(event) => {
        event.preventDefault();
        if (changed.length > 0) onSet(Object.fromEntries(changed));
        setEdited({});
      }}
    >
      {settings.map(({ name, text, value, range: { min, max, aboveMin, whole } }) => (
        <label key={name} title={text}>
          <span class="field-name">{name}</span>
          <input
            type="number"
            inputMode="decimal"
            required
            min={aboveMin ? min + 1e-9 : min}
            max={max}
            step={whole ? 1 : "any"}
            value={edited[name] ?? String(value)}
            disabled={disabled}
            onInput={(event) => setEdited({ ...edited, [name]: event.currentTarget.value })}
          />
        </label>
      ))}
      <button type="submit" disabled={disabled || changed.length === 0}>
        Apply
      </button>
    </form>
  );
}

/** What an event says to a person. */
export function textOf(event: EventRow): string {
  const at = `at ${kimg(event.nimg)} kimg`;
  switch (event.event) {
    case "changed":
      return `${event.setting} ${short(event.from)} → ${short(event.to)} ${at}.`;
    case "paused":
      return `Paused ${at}.`;
    case "resumed":
      return `Going on ${at}.`;
    case "snapshot":
      return `Snapshot taken ${at}.`;
    case "stopping":
      return `Stopped ${at}.`;
    case "refused":
      return `Refused: ${event.reason}.`;
    case "failed":
      return `Ended ${at}, but it has failed: ${event.reasons.join("; ")}.`;
  }
}

/** Its mark on a chart. */
export function markOf(event: EventRow): string | null {
  switch (event.event) {
    case "changed":
      return `${event.setting} ${short(event.to)}`;
    case "paused":
      return "paused";
    default:
      return null;
  }
}
