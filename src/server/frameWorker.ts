// The process that computes pictures with libtorch, so that the server answers meanwhile and a failure costs a picture.

import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { setPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { exportOnnx, type OnnxModels } from "../interop/onnx/export.js";
import { writeOnnx } from "../interop/onnx/files.js";
import { loadGenerator } from "../interop/openSnapshot.js";
import type { Generator } from "../networks/network.js";
import { layersInUse } from "../networks/progressive.js";
import { capabilitiesOf } from "../networks/registry.js";
import type { SnapshotInfo } from "../networks/snapshot.js";
import type { FilmRequest, GeneratorFacts, PictureView } from "../protocol/explore.js";
import { easings } from "../synthesis/choices.js";
import { type Direction, findDirections, moveAlong } from "../synthesis/directions.js";
import { encodePicture } from "../synthesis/encode.js";
import { openFilm } from "../synthesis/film.js";
import { latentsOfSeeds } from "../synthesis/latents.js";
import { mapLatents, renderWs } from "../synthesis/render.js";
import { UserError } from "../system/errors.js";
import { packageVersion } from "../system/packageRoot.js";
import { cat } from "../torch/ops.js";
import "../torch/libtorch.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import {
  type FrameJob,
  type FromFrameWorker,
  type Lane,
  laneOf,
  type ToFrameWorker,
} from "./frameMessages.js";

const mostLoaded = 2;
const mostDirections = 12;

interface Loaded {
  /** Jobs that work on it. */
  users: number;
  /** Changes when the file does. */
  version: string;
  G: Generator;
  info: SnapshotInfo;
  directions: Direction[];
}

/** By file, the latest used last. */
const loaded = new Map<string, Loaded>();

/** A film works on its network for long, while pictures ask for others: what is in use is not freed. */
async function withNetwork<T>(file: string, use: (entry: Loaded) => Promise<T> | T): Promise<T> {
  const entry = open(file);
  entry.users += 1;
  try {
    return await use(entry);
  } finally {
    entry.users -= 1;
    freeIfUnused(entry);
  }
}

function freeIfUnused(entry: Loaded): void {
  if (entry.users === 0 && ![...loaded.values()].includes(entry)) entry.G.dispose();
}

function open(file: string): Loaded {
  const { mtimeMs, size } = statSync(file);
  const version = `${mtimeMs} ${size}`;
  let entry = loaded.get(file);
  loaded.delete(file);
  if (entry && entry.version !== version) {
    freeIfUnused(entry);
    entry = undefined;
  }
  if (!entry) {
    const { G, info } = loadGenerator(file);
    G.setRequiresGrad(false);
    const directions = G.styleAffines().length > 0 ? findDirections(G, { count: mostDirections }) : [];
    entry = { users: 0, version, G, info, directions };
  }
  loaded.set(file, entry);
  for (const [oldest, unused] of loaded) {
    if (loaded.size <= mostLoaded) break;
    loaded.delete(oldest);
    freeIfUnused(unused);
  }
  return entry;
}

function factsOf({ G, info, directions }: Loaded): GeneratorFacts {
  const { architecture } = info.description;
  const { mapping, noise } = capabilitiesOf(architecture);
  return {
    architecture,
    resolution: G.resolution,
    layers: layersInUse(G),
    classNames: info.classNames,
    cDim: G.cDim,
    hasTruncation: mapping,
    hasNoise: noise,
    directions: directions.length,
  };
}

/** ws [1, numWs, wDim] of a view; the caller's. */
function wsOf({ G, directions }: Loaded, view: PictureView): Tensor {
  const { seed, plane, mix, classIndex, truncationPsi } = view;
  return scope(() => {
    const map = (z: Tensor) =>
      mapLatents(G, { z, classes: [Math.min(classIndex, Math.max(G.cDim - 1, 0))], truncationPsi });
    const plain = map(turned(latentsOfSeeds([seed, plane.seedX, plane.seedY], G.zDim), plane));
    const mixed = mix.layers.length > 0 ? map(latentsOfSeeds([mix.seed], G.zDim)) : plain;
    const layers = Array.from({ length: G.numWs }, (_, layer) =>
      (mix.layers.includes(layer) ? mixed : plain).narrow(1, layer, 1),
    );
    const ws = cat(layers, 1);
    const steps = view.directions.flatMap(({ index, amount }) => {
      const direction = directions[index];
      return direction && amount !== 0 ? [{ direction, amount }] : [];
    });
    return steps.length > 0 ? moveAlong(ws, steps) : ws;
  });
}

/**
 * The first of three latents [3, zDim], turned towards the others along a great circle. In many dimensions latents are
 * nearly at right angles and equally long, so that the result is as likely as they are. [1, zDim]
 */
function turned(z: Tensor, { x, y }: { x: number; y: number }): Tensor {
  const center = z.narrow(0, 0, 1);
  const distance = Math.hypot(x, y);
  if (distance === 0) return center; // the very picture that `generate` makes
  const angle = (Math.PI / 2) * distance;
  const side = z
    .narrow(0, 1, 1)
    .mul(x / distance)
    .add(z.narrow(0, 2, 1).mul(y / distance));
  return center.mul(Math.cos(angle)).add(side.mul(Math.sin(angle)));
}

async function picture(entry: Loaded, view: PictureView): Promise<Uint8Array> {
  const ws = wsOf(entry, view);
  try {
    const [rendered] = [...renderWs(entry.G, { ws, noiseMode: view.noiseMode, batch: 1 })];
    if (!rendered) throw new Error("nothing was rendered");
    return await encodePicture(rendered, "png");
  } finally {
    ws.dispose();
  }
}

/** @param isCancelled asked between frames, where short jobs have their turn */
async function film(entry: Loaded, request: FilmRequest, isCancelled: () => boolean): Promise<Uint8Array> {
  const { keyframes, framesBetween, fps, loop, format } = request;
  const folder = mkdtempSync(join(tmpdir(), "stylegan-film-"));
  const ws = keyframes.map((view) => wsOf(entry, view));
  try {
    const file = join(folder, `film.${format}`);
    const segments = loop ? keyframes.length : keyframes.length - 1;
    const frames = segments * framesBetween + (loop ? 0 : 1);
    const side = entry.G.resolution;
    const target = openFilm(file, { width: side, height: side, frames, fps });
    try {
      for (let frame = 0; frame < frames; frame++) {
        const from = Math.floor(frame / framesBetween);
        const between = scope(() => {
          const a = ws[from] as Tensor;
          const b = ws[(from + 1) % ws.length] as Tensor;
          return a.lerp(b, easings.smooth((frame % framesBetween) / framesBetween));
        });
        const { noiseMode } = keyframes[from] as PictureView;
        for (const rendered of renderWs(entry.G, { ws: between, noiseMode, batch: 1 }))
          await target.add(rendered);
        between.dispose();
        await setImmediate();
        if (isCancelled()) throw new UserError("nobody waits for the film any more");
      }
      await target.finish();
    } catch (error) {
      target.abandon();
      throw error;
    }
    return readFileSync(file);
  } finally {
    for (const tensor of ws) tensor.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
}

function onnxOf({ G, info }: Loaded): OnnxModels {
  const { description, classNames } = info;
  return exportOnnx(G, { description, classNames, precision: "float32", version: packageVersion() });
}

function work(job: FrameJob, isCancelled: () => boolean): Promise<unknown> {
  return withNetwork<unknown>(job.file, (entry) => {
    switch (job.kind) {
      case "facts":
        return factsOf(entry);
      case "picture":
        return picture(entry, job.view);
      case "film":
        return film(entry, job.film, isCancelled);
      case "model":
        writeOnnx(job.folder, onnxOf(entry));
        return null;
    }
  });
}

const answer = (message: FromFrameWorker) => process.send?.(message);

// A training on the same machine goes first.
setPriority(5);
const queues: Record<Lane, Promise<void>> = { short: Promise.resolve(), long: Promise.resolve() };
/** Jobs that are here, and whether anybody waits for them. */
const wanted = new Map<number, boolean>();
process.on("message", (message: ToFrameWorker) => {
  if ("cancel" in message) {
    if (wanted.has(message.cancel)) wanted.set(message.cancel, false);
    return;
  }
  const { id, kind } = message;
  const lane = laneOf[kind];
  wanted.set(id, true);
  queues[lane] = queues[lane].then(async () => {
    try {
      answer({ id, ok: true, result: await work(message, () => wanted.get(id) !== true) });
    } catch (error) {
      const mendable = error instanceof UserError;
      const text = mendable ? error.message : "the picture could not be computed";
      if (!mendable) process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      answer({ id, ok: false, message: text, mendable });
    } finally {
      wanted.delete(id);
    }
  });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
process.once("disconnect", () => process.exit());
