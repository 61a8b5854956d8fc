// Networks that turn pictures into features, most of them in files of the user's: nothing is downloaded. These are called
// as the files that NVIDIA publishes are.

import { basename } from "node:path";
import { UserError } from "../system/errors.js";
import type { Tensor } from "../torch/tensor.js";

export type DetectorOutput = "features" | "probabilities" | "lpips";

const published = "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/";

/** The kinds of detectors: names of their files, where those come from, and the flags that ask for an output. */
export const detectorKinds = {
  inception: {
    stem: "inception-2015-12-05",
    source: `${published}inception-2015-12-05.pt`,
    sha256: "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
    outputs: { features: { return_features: true }, probabilities: { no_output_bias: true } },
  },
  vgg: {
    stem: "vgg16",
    source: `${published}vgg16.pt`,
    sha256: "b437eb095feaeb0b83eb3fa11200ebca4548ee39a07fb944a417ddc516cc07c3",
    outputs: {
      features: { return_features: true },
      lpips: { resize_images: false, return_lpips: true },
    },
  },
  /** Comes with the program: mobileNet.ts. */
  mobilenet: {
    stem: "mobileNetV2",
    source: null,
    sha256: "f370f508975b7df56c0369f323086e0731ad7af11ead66b0972269b8072f58ae",
    outputs: { features: {} },
  },
  own: { stem: "features", source: null, sha256: null, outputs: { features: {} } },
} satisfies Record<string, DetectorFacts>;

export type DetectorKind = keyof typeof detectorKinds;

export interface DetectorFacts {
  stem: string;
  source: string | null;
  sha256: string | null;
  outputs: Partial<Record<DetectorOutput, Readonly<Record<string, boolean>>>>;
}

export const factsOf = (kind: DetectorKind): DetectorFacts => detectorKinds[kind];

/** Which kind of detector a file of the user's is by its name. */
export function kindOfFile(file: string): DetectorKind {
  const name = basename(file);
  return (["inception", "vgg"] as const).find((kind) => name.startsWith(`${factsOf(kind).stem}.`)) ?? "own";
}

export interface Detector {
  readonly file: string;
  /** SHA-256 of the file: statistics of different ones do not mix. */
  readonly fingerprint: string;
  /** Pictures [N, 3, H, W] in 0 to 255, bytes or floats, to rows [N, F] in float32. */
  run(pictures: Tensor, output: DetectorOutput): Promise<Tensor>;
  dispose(): void;
}

/** Whether a file is the published one: only then do numbers compare with published ones. */
export function isPublished(kind: DetectorKind, { fingerprint }: Detector): boolean {
  return fingerprint === factsOf(kind).sha256;
}

/** What a detector gave as [N, F]. @throws UserError when it is something else */
export function asRows(
  result: Tensor,
  { count, file, output }: { count: number; file: string; output: DetectorOutput },
): Tensor {
  const { shape } = result;
  const isRows = output === "lpips" ? shape.length >= 2 : shape.length === 2;
  if (!isRows || shape[0] !== count || result.numel === 0)
    throw new UserError(
      `${basename(file)} gave ${result} as ${output} of ${count} pictures, where [${count}, features] is wanted: it is no detector of this kind`,
    );
  const rows = result.reshape([count, -1]).to("float32");
  if (!rows.allFinite())
    throw new UserError(`${basename(file)} gave ${output} that are not finite numbers: the file is damaged`);
  return rows;
}
