// What the visitor decides.

import type { ModelFile } from "../../src/protocol/model.js";
import type { View } from "./messages.js";
import { PictureCanvas, usePicture } from "./PictureView.js";
import type { Picture, Pictures } from "./pictures.js";

interface ControlsProps {
  model: ModelFile;
  pictures: Pictures;
  view: View;
  /** What is shown now. */
  picture: Picture | undefined;
  onChange: (changes: Partial<View>) => void;
}

/** The largest seed that NumPy's generator takes. */
const maxSeed = 0xffffffff;

/** Random seeds stay short enough to remember. */
const randomSeed = () => Math.floor(Math.random() * 100_000);

export function Controls({ model, pictures, view, picture, onChange }: ControlsProps) {
  const { truncationPsi } = view;
  return (
    <form class="panel controls" aria-label="Controls" onSubmit={(event) => event.preventDefault()}>
      <SeedField label="Seed" name="seed" value={view.seed} onChange={(seed) => onChange({ seed })} />
      {model.cDim > 0 && (
        <label class="field">
          <span>Class</span>
          <select
            name="class"
            value={view.classIndex}
            onChange={(event) => onChange({ classIndex: Number(event.currentTarget.value) })}
          >
            {Array.from({ length: model.cDim }, (_, i) => (
              <option key={i} value={i}>
                {model.classNames[i] ?? i}
              </option>
            ))}
          </select>
        </label>
      )}
      {model.truncation && (
        <div class="field">
          <label for="truncation">
            Truncation <output for="truncation">{truncationPsi.toFixed(2)}</output>
          </label>
          <input
            id="truncation"
            name="truncation"
            type="range"
            min="-1"
            max="1.5"
            step="0.05"
            list="truncation-marks"
            value={truncationPsi}
            onInput={(event) => onChange({ truncationPsi: Number(event.currentTarget.value) })}
          />
          <datalist id="truncation-marks">
            <option value="0" />
            <option value="1" />
          </datalist>
          <p class="muted hint">
            0 is the average picture, 1 the latent as it is; between them pictures are more alike and often
            better.
          </p>
        </div>
      )}
      {model.noise && (
        <label class="check">
          <input
            type="checkbox"
            name="noise"
            checked={view.noise}
            onChange={(event) => onChange({ noise: event.currentTarget.checked })}
          />
          <span>Noise, which places the finest details</span>
        </label>
      )}
      {model.numWsInUse > 1 && <StyleMix model={model} pictures={pictures} view={view} onChange={onChange} />}
      <div class="row">
        <button
          type="button"
          class="primary"
          disabled={!picture}
          onClick={() => picture && save(picture, view, model)}
        >
          Save picture
        </button>
        <button
          type="button"
          onClick={() => onChange({ seed: 0, mixSeed: 1, layers: [], truncationPsi: 1, noise: true })}
        >
          Reset
        </button>
      </div>
    </form>
  );
}

interface SeedFieldProps {
  label: string;
  name: string;
  value: number;
  onChange: (seed: number) => void;
}

function SeedField({ label, name, value, onChange }: SeedFieldProps) {
  const step = (by: number) => onChange(Math.min(maxSeed, Math.max(0, value + by)));
  return (
    <div class="field">
      <label for={name}>{label}</label>
      <div class="row">
        <input
          id={name}
          name={name}
          type="number"
          min="0"
          max={maxSeed}
          step="1"
          required
          inputMode="numeric"
          value={value}
          onInput={({ currentTarget }) => {
            // What is not a seed yet stays in the field alone: the browser marks it.
            if (currentTarget.validity.valid) onChange(currentTarget.valueAsNumber);
          }}
        />
        <button
          type="button"
          aria-label={`${label}: one less`}
          disabled={value === 0}
          onClick={() => step(-1)}
        >
          −
        </button>
        <button
          type="button"
          aria-label={`${label}: one more`}
          disabled={value === maxSeed}
          onClick={() => step(1)}
        >
          +
        </button>
        <button type="button" aria-label={`${label}: random`} onClick={() => onChange(randomSeed())}>
          Random
        </button>
      </div>
    </div>
  );
}

type StyleMixProps = Omit<ControlsProps, "picture">;

function StyleMix({ model, pictures, view, onChange }: StyleMixProps) {
  const { mixSeed, layers } = view;
  const all = Array.from({ length: model.numWsInUse }, (_, i) => i);
  const third = (part: number) => Math.round((all.length * part) / 3);
  const choices: [string, readonly number[]][] = [
    ["None", []],
    ["Coarse", all.slice(0, third(1))],
    ["Middle", all.slice(third(1), third(2))],
    ["Fine", all.slice(third(2))],
    ["All", all],
  ];
  const toggle = (layer: number, on: boolean) =>
    onChange({ layers: all.filter((one) => (one === layer ? on : layers.includes(one))) });
  const other: View = { ...view, seed: mixSeed, layers: [] };
  const { picture, pending } = usePicture({ pictures, slot: "mix", view: other, priority: 1 });
  return (
    <fieldset class="mix">
      <legend>Style mix</legend>
      <div class="mix-source">
        <PictureCanvas
          picture={picture}
          resolution={model.resolution}
          label={`Picture of seed ${mixSeed}, whose style is mixed in`}
          pending={pending}
        />
        <SeedField
          label="Other seed"
          name="mix-seed"
          value={mixSeed}
          onChange={(seed) => onChange({ mixSeed: seed })}
        />
      </div>
      <fieldset class="layers">
        <legend>Layers that it styles, from the coarsest to the finest</legend>
        {all.map((layer) => (
          <label key={layer} class="layer">
            <input
              type="checkbox"
              name={`layer-${layer + 1}`}
              checked={layers.includes(layer)}
              onChange={(event) => toggle(layer, event.currentTarget.checked)}
            />
            <span>{layer + 1}</span>
          </label>
        ))}
      </fieldset>
      <div class="row">
        {choices.map(([name, chosen]) => (
          <button
            key={name}
            type="button"
            class="small"
            aria-pressed={String(chosen) === String(layers)}
            onClick={() => onChange({ layers: chosen })}
          >
            {name}
          </button>
        ))}
      </div>
    </fieldset>
  );
}

/** Downloads the picture as a PNG of its own size. */
function save({ pixels }: Picture, { seed }: View, { resolution }: ModelFile): void {
  const canvas = document.createElement("canvas");
  canvas.width = resolution;
  canvas.height = resolution;
  canvas.getContext("2d")?.putImageData(new ImageData(pixels, resolution, resolution), 0, 0);
  const link = document.createElement("a");
  link.download = `seed${String(seed).padStart(4, "0")}.png`;
  link.href = canvas.toDataURL("image/png");
  link.click();
}
