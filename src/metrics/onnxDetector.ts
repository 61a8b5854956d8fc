// Detectors as ONNX files, which cannot hold programs as TorchScript can.

import { basename } from "node:path";
import type { InferenceSession, Tensor as OnnxTensor } from "onnxruntime-node";
import { UserError } from "../system/errors.js";
import { type Tensor, tensor } from "../torch/tensor.js";
import { asRows, type Detector, type DetectorOutput } from "./detector.js";

type Runtime = typeof import("onnxruntime-node");

/**
 * One input [N, 3, H, W], bytes or floats in 0 to 255; outputs with the names `features`, `probabilities` or `lpips`, or one
 * output alone. It resizes and normalizes pictures itself, as the published detectors do.
 */
export class OnnxDetector implements Detector {
  readonly file: string;
  readonly fingerprint: string;
  readonly #runtime: Runtime;
  readonly #session: InferenceSession;

  private constructor(file: string, fingerprint: string, runtime: Runtime, session: InferenceSession) {
    this.file = file;
    this.fingerprint = fingerprint;
    this.#runtime = runtime;
    this.#session = session;
  }

  /** @throws UserError when the file is no ONNX model, or onnxruntime-node is not installed */
  static async open(file: string, fingerprint: string): Promise<OnnxDetector> {
    const runtime = await import("onnxruntime-node").catch(() => {
      throw new UserError(`${file}: ONNX detectors need onnxruntime-node; run npm install onnxruntime-node`);
    });
    const session = await runtime.InferenceSession.create(file).catch((error: unknown) => {
      throw new UserError(`${file} is no ONNX model, or is damaged (${reasonOf(error)})`);
    });
    return new OnnxDetector(file, fingerprint, runtime, session);
  }

  async run(pictures: Tensor, output: DetectorOutput): Promise<Tensor> {
    const [input = ""] = this.#session.inputNames;
    const { outputNames } = this.#session;
    const name = outputNames.length === 1 ? outputNames[0] : outputNames.find((known) => known === output);
    if (name === undefined)
      throw new UserError(`${basename(this.file)} has no output ${output}, only ${outputNames.join(", ")}`);
    const metadata = this.#session.inputMetadata[0];
    const isBytes = metadata?.isTensor === true && metadata.type === "uint8";
    const values = isBytes ? pictures.to("uint8").toArray() : pictures.toFloat32Array();
    const feed = new this.#runtime.Tensor(isBytes ? "uint8" : "float32", values as never, pictures.shape);
    const results = await this.#session.run({ [input]: feed }, [name]).catch((error: unknown) => {
      throw new UserError(`${basename(this.file)} cannot be called with ${pictures}: ${reasonOf(error)}`);
    });
    const result = results[name] as OnnxTensor;
    if (!(result.data instanceof Float32Array))
      throw new UserError(
        `${basename(this.file)} gives ${result.type} as ${output}, where float32 is wanted`,
      );
    return asRows(tensor(result.data, result.dims), {
      ...{ count: pictures.size(0), file: this.file, output },
    });
  }

  dispose(): void {
    void this.#session.release();
  }
}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return (text.split("\n")[0] ?? "").slice(0, 200);
}
