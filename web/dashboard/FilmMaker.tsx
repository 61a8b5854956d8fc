// Keyframes, and the film from one to the next.

import { useEffect, useRef, useState } from "preact/hooks";
import type { FilmRequest, PictureView } from "../../src/protocol/explore.js";
import { postJson } from "./api.js";

const mostKeyframes = 24;
const formats: readonly FilmRequest["format"][] = ["webp", "gif", "mp4"];

interface Keyframe {
  id: number;
  view: PictureView;
  thumbnail: string | null;
}

interface FilmMakerProps {
  address: string;
  view: PictureView;
  setView: (view: PictureView) => void;
}

export function FilmMaker({ address, view, setView }: FilmMakerProps) {
  const [keyframes, setKeyframes] = useState<readonly Keyframe[]>([]);
  const [settings, setSettings] = useState<Omit<FilmRequest, "keyframes">>({
    framesBetween: 30,
    fps: 24,
    loop: true,
    format: "webp",
  });
  const [film, setFilm] = useState<{ url: string; name: string; isVideo: boolean } | null>(null);
  const [state, setState] = useState<{ text: string; bad?: boolean }>({ text: "" });
  const making = useRef<AbortController | null>(null);
  const ids = useRef(0);
  useEffect(() => () => making.current?.abort(), []);
  const change = (changes: Partial<typeof settings>) => setSettings({ ...settings, ...changes });

  const add = async () => {
    ids.current += 1;
    const id = ids.current;
    setKeyframes((old) => [...old, { id, view, thumbnail: null }]);
    const blob = await postJson(`${address}/picture`, view).then(
      (response) => response.blob(),
      () => null,
    );
    if (!blob) return;
    const thumbnail = URL.createObjectURL(blob);
    setKeyframes((old) => old.map((one) => (one.id === id ? { ...one, thumbnail } : one)));
  };
  const make = async () => {
    making.current = new AbortController();
    setState({ text: `Computing ${frames(settings, keyframes.length)} frames …` });
    try {
      const request = { ...settings, keyframes: keyframes.map((one) => one.view) };
      const response = await postJson(`${address}/film`, request, making.current.signal);
      if (film) URL.revokeObjectURL(film.url);
      const isVideo = settings.format === "mp4";
      setFilm({ url: URL.createObjectURL(await response.blob()), name: `film.${settings.format}`, isVideo });
      setState({ text: "" });
    } catch (error) {
      const aborted = (error as Error).name === "AbortError";
      setState(aborted ? { text: "Given up." } : { text: (error as Error).message, bad: true });
    } finally {
      making.current = null;
    }
  };

  return (
    <section class="panel film">
      <h2>Film</h2>
      {keyframes.length === 0 ? (
        <p class="soft">Keep pictures as keyframes; the film goes from one to the next.</p>
      ) : null}
      <ol class="keyframes">
        {keyframes.map(({ id, view: kept, thumbnail }, i) => (
          <li key={id}>
            <button
              type="button"
              class="keyframe"
              aria-label={`Back to keyframe ${i + 1}`}
              onClick={() => setView(kept)}
            >
              {thumbnail ? <img src={thumbnail} alt="" /> : null}
            </button>
            <button
              type="button"
              class="remove"
              aria-label={`Remove keyframe ${i + 1}`}
              onClick={() => setKeyframes(keyframes.filter((one) => one.id !== id))}
            >
              ✕
            </button>
          </li>
        ))}
      </ol>
      <div class="film-settings">
        <label>
          <span class="field-name">Frames between</span>
          <input
            type="number"
            min={1}
            max={120}
            value={settings.framesBetween}
            onInput={({ currentTarget }) =>
              currentTarget.validity.valid && change({ framesBetween: currentTarget.valueAsNumber })
            }
          />
        </label>
        <label>
          <span class="field-name">Per second</span>
          <input
            type="number"
            min={1}
            max={60}
            value={settings.fps}
            onInput={({ currentTarget }) =>
              currentTarget.validity.valid && change({ fps: currentTarget.valueAsNumber })
            }
          />
        </label>
        <label>
          <span class="field-name">Format</span>
          <select
            value={settings.format}
            onChange={(event) => change({ format: event.currentTarget.value as FilmRequest["format"] })}
          >
            {formats.map((format) => (
              <option key={format}>{format}</option>
            ))}
          </select>
        </label>
        <label class="inline loop">
          <input
            type="checkbox"
            checked={settings.loop}
            onChange={(event) => change({ loop: event.currentTarget.checked })}
          />
          Loop
        </label>
      </div>
      <div class="buttons">
        <button
          type="button"
          disabled={keyframes.length >= mostKeyframes}
          onClick={() => {
            add().catch(() => {});
          }}
        >
          Add keyframe
        </button>
        {making.current ? (
          <button type="button" onClick={() => making.current?.abort()}>
            Give up
          </button>
        ) : (
          <button
            type="button"
            class="primary"
            disabled={keyframes.length < 2}
            onClick={() => {
              make().catch(() => {});
            }}
          >
            Make film
          </button>
        )}
      </div>
      <p class={`notice ${state.bad ? "bad" : ""}`} role="status">
        {state.text}
      </p>
      {film ? (
        <figure class="film-result">
          {film.isVideo ? (
            // biome-ignore lint/a11y/useMediaCaption: a film of pictures has no words
            <video src={film.url} controls loop />
          ) : (
            <img src={film.url} alt="The film" />
          )}
          <a class="button" href={film.url} download={film.name}>
            Download the film
          </a>
        </figure>
      ) : null}
    </section>
  );
}

function frames({ framesBetween, loop }: Omit<FilmRequest, "keyframes">, keyframes: number): number {
  return loop ? keyframes * framesBetween : (keyframes - 1) * framesBetween + 1;
}
