// What a generator can make: every control of a picture, and films from picture to picture. Computed on the server.

import { useEffect, useRef, useState } from "preact/hooks";
import type { RunFile } from "../../src/protocol/api.js";
import type { GeneratorFacts, PictureView } from "../../src/protocol/explore.js";
import { getJson, postJson, snapshotAddress } from "./api.js";
import { FilmMaker } from "./FilmMaker.js";

export const firstView: PictureView = {
  seed: 0,
  plane: { seedX: 1, seedY: 2, x: 0, y: 0 },
  classIndex: 0,
  truncationPsi: 1,
  noiseMode: "const",
  mix: { seed: 3, layers: [] },
  directions: [],
};

const maxSeed = 0xffffffff;

export function Explore({ name, snapshots }: { name: string; snapshots: readonly RunFile[] }) {
  const [chosen, setChosen] = useState<string | null>(null);
  const snapshot = snapshots.find((file) => file.name === chosen) ?? snapshots.at(-1);
  const [view, setView] = useState(firstView);
  if (!snapshot)
    return <p class="empty tall">There is no snapshot yet. “Snapshot now” on the overview takes one.</p>;
  return (
    <>
      <div class="snapshot-choice">
        <label class="inline">
          Snapshot
          <select value={snapshot.name} onChange={(event) => setChosen(event.currentTarget.value)}>
            {[...snapshots].reverse().map(({ name: file, kimg }) => (
              <option key={file} value={file}>
                {kimg.toLocaleString("en")} kimg
              </option>
            ))}
          </select>
        </label>
        <a
          href={`browser/${encodeURIComponent(name)}/${encodeURIComponent(snapshot.name)}/`}
          target="_blank"
          rel="noreferrer"
        >
          Run it in this browser
        </a>
      </div>
      <SnapshotExplorer
        address={snapshotAddress(name, snapshot.name)}
        version={snapshot.version}
        {...{ view, setView }}
      />
    </>
  );
}

interface SnapshotExplorerProps {
  address: string;
  version: string;
  view: PictureView;
  setView: (view: PictureView) => void;
}

function SnapshotExplorer({ address, version, view, setView }: SnapshotExplorerProps) {
  const [facts, setFacts] = useState<GeneratorFacts | null>(null);
  const [error, setError] = useState<string | null>(null);
  // Dependencies: a file of another version is another generator.
  useEffect(() => {
    let wanted = true;
    setError(null);
    getJson<GeneratorFacts>(address).then(
      (answer) => wanted && setFacts(answer),
      (failure: Error) => wanted && setError(failure.message),
    );
    return () => {
      wanted = false;
    };
  }, [address, version]);
  const picture = usePicture(facts ? address : null, { view, version });
  const change = (changes: Partial<PictureView>) => setView({ ...view, ...changes });
  if (error) return <p class="empty tall bad-text">{error}</p>;
  return (
    <div class="explore">
      <div class="explore-stage">
        <section class="panel" aria-label="Picture">
          <Plane facts={facts} picture={picture} view={view} onChange={change} />
          <p class="notice" role="status">
            {picture.error ?? (facts ? "" : "Loading the generator …")}
          </p>
          <div class="buttons">
            <a
              class={`button ${picture.url ? "primary" : "disabled"}`}
              {...(picture.url
                ? { href: picture.url, download: `seed${String(view.seed).padStart(4, "0")}.png` }
                : {})}
            >
              Download
            </a>
            <button
              type="button"
              onClick={() => change({ ...firstView, seed: Math.floor(Math.random() * 100_000) })}
            >
              Random
            </button>
            <button type="button" onClick={() => setView(firstView)}>
              Reset
            </button>
          </div>
        </section>
        {facts ? <FilmMaker {...{ address, view, setView }} /> : null}
      </div>
      {facts ? <Controls {...{ facts, view, change }} /> : <div class="panel controls-place" />}
    </div>
  );
}

interface ShownPicture {
  /** Of the latest picture that is there. */
  url: string | null;
  error: string | null;
  pending: boolean;
}

/** The picture of a view. While one is computed only the latest of what follows is asked for. */
function usePicture(
  address: string | null,
  { view, version }: { view: PictureView; version: string },
): ShownPicture {
  const [shown, setShown] = useState<ShownPicture>({ url: null, error: null, pending: false });
  const wanted = useRef<{ address: string; view: PictureView } | null>(null);
  const busy = useRef(false);
  const alive = useRef(true);
  const body = JSON.stringify(view);

  const work = async () => {
    if (busy.current) return;
    busy.current = true;
    while (wanted.current && alive.current) {
      const next = wanted.current;
      wanted.current = null;
      try {
        const url = URL.createObjectURL(await (await postJson(`${next.address}/picture`, next.view)).blob());
        setShown((old) => {
          if (old.url) URL.revokeObjectURL(old.url);
          return { url, error: null, pending: wanted.current !== null };
        });
      } catch (error) {
        setShown((old) => ({ ...old, error: (error as Error).message, pending: false }));
      }
    }
    busy.current = false;
  };
  useEffect(() => {
    alive.current = true;
    return () => {
      alive.current = false;
    };
  }, []);
  // Dependencies: what decides the picture.
  useEffect(() => {
    if (address === null) return;
    wanted.current = { address, view };
    setShown((old) => ({ ...old, pending: true }));
    work().catch(() => {});
  }, [address, version, body]);
  return shown;
}

interface PlaneProps {
  facts: GeneratorFacts | null;
  picture: ShownPicture;
  view: PictureView;
  onChange: (changes: Partial<PictureView>) => void;
}

const planeStep = 0.05;

/** The picture itself is the plane: dragging over it turns the latent towards two other seeds. */
function Plane({ facts, picture, view, onChange }: PlaneProps) {
  const { plane } = view;
  const start = useRef<{ pointer: [number, number]; x: number; y: number } | null>(null);
  const within = (value: number) => Math.round(Math.min(Math.max(value, -1), 1) * 1000) / 1000;
  const move = (x: number, y: number) => onChange({ plane: { ...plane, x: within(x), y: within(y) } });
  return (
    <button
      type="button"
      class={`plane ${picture.pending ? "pending" : ""}`}
      aria-label={`Picture of seed ${view.seed}. Drag, or use the arrow keys, to move through the plane of latents; now at ${plane.x}, ${plane.y}. Home goes back.`}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        start.current = { pointer: [event.clientX, event.clientY], x: plane.x, y: plane.y };
      }}
      onPointerMove={(event) => {
        const from = start.current;
        if (!from) return;
        const size = event.currentTarget.clientWidth;
        const [x, y] = from.pointer;
        move(from.x + (event.clientX - x) / size, from.y - (event.clientY - y) / size);
      }}
      onPointerUp={() => {
        start.current = null;
      }}
      onPointerCancel={() => {
        start.current = null;
      }}
      onDblClick={() => move(0, 0)}
      onKeyDown={(event) => {
        const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[
          event.key
        ];
        if (step) move(plane.x + (step[0] ?? 0) * planeStep, plane.y + (step[1] ?? 0) * planeStep);
        else if (event.key === "Home") move(0, 0);
        else return;
        event.preventDefault();
      }}
    >
      {picture.url ? (
        <img
          src={picture.url}
          alt=""
          class={facts && facts.resolution < 256 ? "pixels" : ""}
          draggable={false}
        />
      ) : null}
      <span
        class="plane-dot"
        style={{ left: `${50 + plane.x * 47}%`, top: `${50 - plane.y * 47}%` }}
        hidden={plane.x === 0 && plane.y === 0}
      />
    </button>
  );
}

interface ControlsProps {
  facts: GeneratorFacts;
  view: PictureView;
  change: (changes: Partial<PictureView>) => void;
}

function Controls({ facts, view, change }: ControlsProps) {
  const { plane, mix, directions } = view;
  const amountOf = (index: number) => directions.find((step) => step.index === index)?.amount ?? 0;
  const setAmount = (index: number, amount: number) => {
    const others = directions.filter((step) => step.index !== index);
    change({ directions: amount === 0 ? others : [...others, { index, amount }] });
  };
  return (
    <form class="panel explore-controls" aria-label="Controls" onSubmit={(event) => event.preventDefault()}>
      <SeedInput label="Seed" value={view.seed} onChange={(seed) => change({ seed })} />
      {facts.cDim > 0 ? (
        <label>
          <span class="field-name">Class</span>
          <select
            value={view.classIndex}
            onChange={(event) => change({ classIndex: Number(event.currentTarget.value) })}
          >
            {Array.from({ length: facts.cDim }, (_, i) => (
              <option key={i} value={i}>
                {facts.classNames[i] ?? i}
              </option>
            ))}
          </select>
        </label>
      ) : null}
      {facts.hasTruncation ? (
        <Slider
          label="Truncation ψ"
          value={view.truncationPsi}
          {...{ min: -1, max: 1.5, step: 0.05 }}
          onChange={(truncationPsi) => change({ truncationPsi })}
        />
      ) : null}
      {facts.hasNoise ? (
        <label>
          <span class="field-name">Noise</span>
          <select
            value={view.noiseMode}
            onChange={(event) => change({ noiseMode: event.currentTarget.value as PictureView["noiseMode"] })}
          >
            <option value="const">the network's own</option>
            <option value="none">none</option>
            <option value="random">random</option>
          </select>
        </label>
      ) : null}
      <fieldset>
        <legend>Plane of latents</legend>
        <p class="soft">
          Drag over the picture: to the right it turns towards one seed, upwards towards another.
        </p>
        <div class="pair">
          <SeedInput
            label="To the right"
            value={plane.seedX}
            onChange={(seedX) => change({ plane: { ...plane, seedX } })}
          />
          <SeedInput
            label="Upwards"
            value={plane.seedY}
            onChange={(seedY) => change({ plane: { ...plane, seedY } })}
          />
        </div>
      </fieldset>
      {facts.layers > 1 ? (
        <fieldset>
          <legend>Mix styles of another seed</legend>
          <SeedInput
            label="Other seed"
            value={mix.seed}
            onChange={(seed) => change({ mix: { ...mix, seed } })}
          />
          <div class="layers">
            <span class="soft">coarse</span>
            {Array.from({ length: facts.layers }, (_, layer) => (
              <label key={layer} class="layer">
                <input
                  type="checkbox"
                  checked={mix.layers.includes(layer)}
                  onChange={(event) => {
                    const others = mix.layers.filter((one) => one !== layer);
                    change({
                      mix: { ...mix, layers: event.currentTarget.checked ? [...others, layer] : others },
                    });
                  }}
                />
                <span>{layer + 1}</span>
              </label>
            ))}
            <span class="soft">fine</span>
          </div>
        </fieldset>
      ) : null}
      {facts.directions > 0 ? (
        <fieldset>
          <legend>Directions</legend>
          <p class="soft">What changes this generator's styles most, the strongest first.</p>
          {Array.from({ length: facts.directions }, (_, index) => (
            <Slider
              key={index}
              label={String(index + 1)}
              value={amountOf(index)}
              {...{ min: -5, max: 5, step: 0.1 }}
              onChange={(amount) => setAmount(index, amount)}
            />
          ))}
        </fieldset>
      ) : null}
    </form>
  );
}

function SeedInput({
  label,
  value,
  onChange,
}: {
  label: string;
  value: number;
  onChange: (seed: number) => void;
}) {
  return (
    <label class="seed">
      <span class="field-name">{label}</span>
      <input
        type="number"
        min={0}
        max={maxSeed}
        step={1}
        required
        value={value}
        onInput={({ currentTarget }) => {
          if (currentTarget.validity.valid) onChange(currentTarget.valueAsNumber);
        }}
      />
    </label>
  );
}

interface SliderProps {
  label: string;
  value: number;
  min: number;
  max: number;
  step: number;
  onChange: (value: number) => void;
}

function Slider({ label, value, onChange, ...range }: SliderProps) {
  return (
    <label class="slider">
      <span class="field-name">{label}</span>
      <input
        type="range"
        {...range}
        value={value}
        onInput={(event) => onChange(Number(event.currentTarget.value))}
      />
      <output>{value.toFixed(range.step < 0.1 ? 2 : 1)}</output>
    </label>
  );
}
