// The two models in onnxruntime-web: seeds to pictures. Runs in the worker.

import type { InferenceSession, Tensor } from "onnxruntime-web";
import webgpuUrl from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url";
import wasmUrl from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import { RandomState } from "../../src/numpy/randomState.js";
import type { ModelFile } from "../../src/protocol/model.js";
import { downloadAll } from "./download.js";
import type { Backend, LoadRequest, View } from "./messages.js";

type Runtime = typeof import("onnxruntime-web/wasm");

interface LoadOptions extends Omit<LoadRequest, "kind"> {
  onProgress: (loaded: number, total: number) => void;
  /** All files are there. */
  onLoaded: () => void;
}

export class Generator {
  private constructor(
    private readonly model: ModelFile,
    private readonly runtime: Runtime,
    private readonly mapping: InferenceSession,
    private readonly synthesis: InferenceSession,
  ) {}

  /** @throws Error that says what could not be loaded */
  static async load({ model, modelUrl, backend, onProgress, onLoaded }: LoadOptions): Promise<Generator> {
    const files = [model.mapping, model.synthesis].map((name) => new URL(name, modelUrl).href);
    const engine = new URL(backend === "webgpu" ? webgpuUrl : wasmUrl, import.meta.url).href;
    const [wasm, mapping, synthesis] = await downloadAll([engine, ...files], onProgress);
    onLoaded();
    const runtime: Runtime =
      backend === "webgpu" ? await import("onnxruntime-web/webgpu") : await import("onnxruntime-web/wasm");
    runtime.env.logLevel = "error";
    runtime.env.wasm.wasmBinary = (wasm as Uint8Array<ArrayBuffer>).buffer;
    // Threads need shared memory, which browsers give only to pages that their server isolates.
    runtime.env.wasm.numThreads = globalThis.crossOriginIsolated
      ? Math.min(navigator.hardwareConcurrency, maxThreads)
      : 1;
    const create = (bytes: Uint8Array | undefined, executionProviders: Backend[]) =>
      runtime.InferenceSession.create(bytes as Uint8Array, { executionProviders });
    return new Generator(
      model,
      runtime,
      // The mapping network is a few small matrices: a graphics card would only add its latency.
      await create(mapping, ["wasm"]),
      await create(synthesis, [backend]),
    );
  }

  /** RGBA pixels of `model.resolution` squared. */
  async render(view: View): Promise<Uint8ClampedArray<ArrayBuffer>> {
    const ws = await this.#ws(view);
    const noise = this.#tensor([view.noise ? 1 : 0], []);
    const { image } = await this.synthesis.run(this.model.noise ? { ws, noise } : { ws });
    return toPixels((await (image as Tensor).getData()) as Float32Array);
  }

  /** [1, numWs, wDim]: each layer's w from its seed. */
  async #ws({ seed, mixSeed, layers, classIndex, truncationPsi }: View): Promise<Tensor> {
    const { zDim, wDim, cDim, numWs, truncation } = this.model;
    const seeds = layers.length > 0 ? [seed, mixSeed] : [seed];
    const z = seeds.flatMap((one) => [...new RandomState(one).randn(zDim)]);
    const c = seeds.flatMap(() => Array.from({ length: cDim }, (_, i) => (i === classIndex ? 1 : 0)));
    const psi = Array.from({ length: numWs }, () => truncationPsi);
    const { ws } = await this.mapping.run({
      z: this.#tensor(z, [seeds.length, zDim]),
      ...(cDim > 0 ? { c: this.#tensor(c, [seeds.length, cDim]) } : {}),
      ...(truncation ? { truncation_psi: this.#tensor(psi, [numWs]) } : {}),
    });
    const all = (ws as Tensor).data as Float32Array; // [seeds, numWs, wDim]
    const mixed = all.slice(0, numWs * wDim);
    for (const layer of layers) {
      const start = layer * wDim;
      mixed.set(all.subarray(numWs * wDim + start, numWs * wDim + start + wDim), start);
    }
    return new this.runtime.Tensor("float32", mixed, [1, numWs, wDim]);
  }

  #tensor(values: readonly number[], shape: readonly number[]): Tensor {
    return new this.runtime.Tensor("float32", Float32Array.from(values), shape);
  }
}

/** More do not help with pictures of this size. */
const maxThreads = 4;

/** [3, H, W] in [-1, 1] to RGBA bytes, with `generate`'s rounding: clamp(x · 127.5 + 128, 0, 255), fractions cut off. */
function toPixels(image: Float32Array): Uint8ClampedArray<ArrayBuffer> {
  const area = image.length / 3;
  const pixels = new Uint8ClampedArray(area * 4).fill(255);
  for (let channel = 0; channel < 3; channel++)
    for (let i = 0; i < area; i++)
      pixels[i * 4 + channel] = Math.trunc((image[channel * area + i] as number) * 127.5 + 128);
  return pixels;
}
