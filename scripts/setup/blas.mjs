/**
 * Which BLAS Debian's libtorch multiplies matrices with. With the reference one it runs at 1.3 GFLOP/s instead of 120.
 */
import { existsSync, realpathSync } from "node:fs";
import path from "node:path";

/**
 * @param {import("../findTorch.mjs").Torch} torch
 * @returns {"fast" | "reference" | "own"} own: this libtorch brings its own BLAS
 */
export function blasOf(torch) {
  if (torch.origin !== "system") return "own";
  for (const folder of torch.libDirs) {
    const file = path.join(folder, "libblas.so.3"); // a link that Debian's alternatives system sets
    if (existsSync(file)) return blasKind(realpathSync(file));
  }
  return "own"; // not Debian's arrangement
}

/** @param {string} file the real file behind libblas.so.3
 * @returns {"fast" | "reference"} */
export function blasKind(file) {
  return /openblas|mkl|blis|atlas|armpl|nvpl/i.test(file) ? "fast" : "reference";
}
