// What the page and its worker say to each other.

import type { ModelFile } from "../../src/protocol/model.js";

/** Where the pictures are computed. */
export type Backend = "webgpu" | "wasm";

/** Everything that decides a picture. */
export interface View {
  seed: number;
  /** Class index; without effect where there are no classes. */
  classIndex: number;
  truncationPsi: number;
  noise: boolean;
  /** The layers in `layers` take their w from this seed instead. */
  mixSeed: number;
  layers: readonly number[];
}

export interface LoadRequest {
  kind: "load";
  model: ModelFile;
  /** Absolute address of model.json. */
  modelUrl: string;
  backend: Backend;
}

export interface RenderRequest {
  kind: "render";
  id: number;
  view: View;
}

export type Request = LoadRequest | RenderRequest;

export type Reply =
  | { kind: "progress"; loaded: number; total: number }
  /** All files are there; what remains can hang where a graphics driver is broken. */
  | { kind: "starting" }
  | { kind: "ready" }
  /** RGBA, row by row. */
  | { kind: "picture"; id: number; pixels: Uint8ClampedArray<ArrayBuffer>; milliseconds: number }
  /** Without an id: loading failed. */
  | { kind: "error"; id?: number; message: string };
