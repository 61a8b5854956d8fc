// The latent explorer: a generator that runs in this browser, and everything that decides its picture.

import { useEffect, useState } from "preact/hooks";
import type { ModelFile, modelFormat as ModelFormat } from "../../src/protocol/model.js";
import { Controls } from "./Controls.js";
import { Gallery } from "./Gallery.js";
import type { Backend, View } from "./messages.js";
import { PictureCanvas, usePicture } from "./PictureView.js";
import { Pictures } from "./pictures.js";
import "../shared/theme.css";
import "./controls.css";
import "./explorer.css";

export interface ExplorerProps {
  /** Absolute address of a model.json, with the models beside it. */
  modelUrl: string;
  /** Default: WebGPU where there is one, otherwise WebAssembly. */
  backend?: Backend | undefined;
  /** Where to begin. */
  initial?: Partial<View> | undefined;
  /** Called with what is shown, whenever it changes. */
  onView?: ((view: View) => void) | undefined;
}

const knownFormat: typeof ModelFormat = "stylegan.ts onnx 1";

const defaultView: View = { seed: 0, classIndex: 0, truncationPsi: 1, noise: true, mixSeed: 1, layers: [] };

type State =
  | { kind: "loading"; loaded: number; total: number }
  | { kind: "failed"; message: string }
  | { kind: "ready"; model: ModelFile; pictures: Pictures };

/** Loads a model and shows what it makes. */
export function Explorer({ modelUrl, backend, initial, onView }: ExplorerProps) {
  const [attempt, setAttempt] = useState(0);
  const [state, setState] = useState<State>({ kind: "loading", loaded: 0, total: 0 });
  useEffect(() => {
    let wanted = true;
    let pictures: Pictures | undefined;
    const load = async () => {
      const model = await readModelFile(modelUrl);
      const onProgress = (loaded: number, total: number) =>
        wanted && setState({ kind: "loading", loaded, total });
      pictures = await Pictures.load({ model, modelUrl, backend, onProgress });
      if (wanted) setState({ kind: "ready", model, pictures });
      else pictures.dispose();
    };
    setState({ kind: "loading", loaded: 0, total: 0 });
    load().catch((error: Error) => wanted && setState({ kind: "failed", message: error.message }));
    return () => {
      wanted = false;
      pictures?.dispose();
    };
  }, [modelUrl, backend, attempt]);

  if (state.kind === "loading") return <Loading {...state} />;
  if (state.kind === "failed")
    return (
      <div class="alert explorer-message" role="alert">
        <p>{state.message}</p>
        <button type="button" class="primary" onClick={() => setAttempt(attempt + 1)}>
          Try again
        </button>
      </div>
    );
  return <Loaded {...state} initial={initial} onView={onView} />;
}

async function readModelFile(modelUrl: string): Promise<ModelFile> {
  if (modelUrl.startsWith("file:"))
    throw new Error(
      "Browsers do not let a page read files from disk. Serve this folder, for example with “python3 -m http.server”, and open the address that it prints.",
    );
  const response = await fetch(modelUrl).catch(() => undefined);
  if (!response?.ok)
    throw new Error(
      `${modelUrl} could not be loaded${response ? `: the server answered ${response.status}` : ""}.`,
    );
  const model = (await response.json().catch(() => ({}))) as Partial<ModelFile>;
  if (model.format !== knownFormat)
    throw new Error(`${modelUrl} does not describe a model that this page knows.`);
  // A model.json from before it had a title.
  return { title: model.architecture, ...model } as ModelFile;
}

function Loading({ loaded, total }: { loaded: number; total: number }) {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  const arrived = total > 0 && loaded >= total;
  return (
    <div class="panel explorer-message" role="status">
      <p>{arrived ? "Starting the generator …" : "Loading the generator …"}</p>
      <progress
        aria-label="Loading the generator"
        {...(total > 0 && !arrived ? { value: loaded, max: total } : {})}
      />
      <p class="muted">{total > 0 ? `${megabytes(loaded)} of ${megabytes(total)} MB` : " "}</p>
    </div>
  );
}

interface LoadedProps extends Pick<ExplorerProps, "initial" | "onView"> {
  model: ModelFile;
  pictures: Pictures;
}

function Loaded({ model, pictures, initial, onView }: LoadedProps) {
  const [view, setView] = useState<View>(() => fitting({ ...defaultView, ...initial }, model));
  const change = (changes: Partial<View>) => setView((now) => ({ ...now, ...changes }));
  useEffect(() => onView?.(view), [view, onView]);
  const { picture, error, pending } = usePicture({ pictures, slot: "main", view, priority: 0 });
  return (
    <div class="explorer">
      <section class="panel stage" aria-label="Picture">
        <PictureCanvas
          picture={picture}
          resolution={model.resolution}
          label={describe(view, model)}
          pending={pending}
        />
        <p class="muted facts">
          {model.title}, {model.resolution} × {model.resolution} pixels, computed in this browser with{" "}
          {pictures.backend === "webgpu" ? "WebGPU" : "WebAssembly"}
          {picture ? ` in ${Math.round(picture.milliseconds)} ms` : ""}
        </p>
        {error && (
          <p class="alert" role="alert">
            {error}
          </p>
        )}
      </section>
      <Controls model={model} pictures={pictures} view={view} picture={picture} onChange={change} />
      <Gallery model={model} pictures={pictures} view={view} onSeed={(seed) => change({ seed })} />
    </div>
  );
}

/** What a screen reader says of the picture. */
function describe(
  { seed, truncationPsi, noise, mixSeed, layers, classIndex }: View,
  model: ModelFile,
): string {
  return [
    `Generated picture of seed ${seed}`,
    ...(model.cDim > 0 ? [`class ${model.classNames[classIndex] ?? classIndex}`] : []),
    ...(model.truncation ? [`truncation ${truncationPsi}`] : []),
    ...(model.noise && !noise ? ["without noise"] : []),
    ...(layers.length > 0 ? [`${layers.length} layers of seed ${mixSeed}`] : []),
  ].join(", ");
}

/** A view from elsewhere, without what this model does not have. */
function fitting(view: View, { cDim, numWsInUse, truncation }: ModelFile): View {
  return {
    ...view,
    classIndex: view.classIndex < cDim ? view.classIndex : 0,
    truncationPsi: truncation ? view.truncationPsi : 1,
    layers: view.layers.filter((layer) => layer < numWsInUse),
  };
}
