// What the server and the process that computes pictures say to each other.

import type { FilmRequest, PictureView } from "../protocol/explore.js";

/** A piece of work on the generator in `file`. */
export type FrameJob =
  | { kind: "facts"; file: string }
  | { kind: "picture"; file: string; view: PictureView }
  /** Exports it as ONNX into an existing folder. */
  | { kind: "model"; file: string; folder: string }
  | { kind: "film"; file: string; film: FilmRequest };

/** What does not take long is done between the frames of what does. */
export type Lane = "short" | "long";
export const laneOf: Readonly<Record<FrameJob["kind"], Lane>> = {
  facts: "short",
  picture: "short",
  film: "long",
  model: "long",
};

export type ToFrameWorker =
  | (FrameJob & { id: number })
  /** Nobody waits for the job any more. */
  | { cancel: number };

export type FromFrameWorker =
  | { id: number; ok: true; result: unknown }
  /** `mendable`: the message is for the person who asked. */
  | { id: number; ok: false; message: string; mendable: boolean };
