// Latents in files, as NVIDIA's projector writes and its generate.py reads them: `w` in a `.npz`, [N, numWs, wDim].

import type { Generator } from "../networks/network.js";
import { readNpz, writeNpz } from "../numpy/npz.js";
import { UserError } from "../system/errors.js";
import { type Tensor, tensor } from "../torch/tensor.js";

const key = "w";

/** Writes ws [N, numWs, wDim] as float32 for `numpy.load(file)["w"]`. */
export function writeLatents(file: string, ws: Tensor): void {
  writeNpz(file, { [key]: { shape: ws.shape, data: ws.toFloat32Array() } });
}

/**
 * Reads ws for `Generator.synthesize`: [N, numWs, wDim], float32, on the CPU.
 * @throws UserError when the file is damaged, holds no such array or one of another network
 */
export async function readLatents(file: string, G: Pick<Generator, "numWs" | "wDim">): Promise<Tensor> {
  const arrays = await readNpz(file);
  const array = arrays.get(key);
  if (!array) {
    const names = [...arrays.keys()].slice(0, 5).join(", ");
    throw new UserError(`${file} has no array ${key} (it has ${names || "none"}); give a projected_w.npz`);
  }
  const { shape, data } = array;
  const [n, numWs, wDim] = shape;
  if (shape.length !== 3 || n === 0 || numWs !== G.numWs || wDim !== G.wDim)
    throw new UserError(
      `${file}: ${key} has shape (${shape.join(", ")}), but this network takes (N, ${G.numWs}, ${G.wDim}); give latents of the same network`,
    );
  const values = Float32Array.from(data as ArrayLike<number | bigint>, Number);
  if (!values.every(Number.isFinite)) throw new UserError(`${file}: ${key} has elements that are not finite`);
  return tensor(values, shape);
}
