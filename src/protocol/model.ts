// model.json: what an exporter writes beside a generator's two ONNX models, and the explorer reads.

export const modelFormat = "stylegan.ts onnx 1";

/** What a program that runs the models has to know; also in the models' own metadata, under `stylegan`. */
export interface OnnxDescription {
  architecture: string;
  /** What people call the architecture. */
  title: string;
  zDim: number;
  wDim: number;
  /** Number of classes; 0: the mapping model has no input `c`. */
  cDim: number;
  classNames: readonly string[];
  /** Number of w vectors that one picture takes. */
  numWs: number;
  /** How many of them have an effect: fewer than `numWs` in a network that is still growing. */
  numWsInUse: number;
  /** Side of the pictures. */
  resolution: number;
  /** Whether the mapping model has the input `truncation_psi`. */
  truncation: boolean;
  /** Whether the synthesis model has the input `noise`. */
  noise: boolean;
  precision: "float32" | "float16";
}

export interface ModelFile extends OnnxDescription {
  format: typeof modelFormat;
  /** The models' files, beside this one. */
  mapping: string;
  synthesis: string;
}
