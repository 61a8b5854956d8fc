// TorchScript: networks in files that bring their own code with them.

import { statSync } from "node:fs";
import { UserError } from "../system/errors.js";
import { libtorch } from "./libtorch.js";
import { type Device, Tensor } from "./tensor.js";

/** A network that libtorch's interpreter runs. Its code may do whatever TorchScript can: load only files you trust. */
export class Script {
  readonly #file: string;
  #module: number;

  private constructor(file: string, module: number) {
    this.#file = file;
    this.#module = module;
  }

  /**
   * Loads a file of `torch.jit.save` in evaluation mode; its parameters ask for no gradients.
   * @throws UserError when the file is none
   */
  static load(file: string, device: Device = "cpu"): Script {
    const stats = statSync(file, { throwIfNoEntry: false });
    if (!stats) throw new UserError(`${file}: no such file`);
    if (!stats.isFile()) throw new UserError(`${file} is not a file`);
    try {
      return new Script(file, libtorch().loadScript(file, device));
    } catch (error) {
      throw new UserError(
        `${file} is no TorchScript network, or is damaged (${reasonOf(error)}); give a file of torch.jit.save`,
      );
    }
  }

  /**
   * Calls the network's `forward` with one tensor and named flags. Gradients go through it to `input`.
   * @returns the one tensor that it returns
   * @throws UserError when the network takes something else or fails
   */
  forward(input: Tensor, flags: Readonly<Record<string, boolean>> = {}): Tensor {
    if (this.#module === 0) throw new Error("script: the network has been disposed");
    let handle: number;
    try {
      handle = libtorch().callScript(this.#module, input.handle, Object.keys(flags), Object.values(flags));
    } catch (error) {
      const call = [input.toString(), ...Object.entries(flags).map(([name, flag]) => `${name}=${flag}`)];
      throw new UserError(`${this.#file} cannot be called with (${call.join(", ")}): ${reasonOf(error)}`);
    }
    return new Tensor(handle);
  }

  /** Frees the network's tensors. */
  dispose(): void {
    libtorch().disposeScript(this.#module);
    this.#module = 0;
  }
}

/** The first telling line of libtorch's message: the interpreter prints its stack and the network's source around it. */
function reasonOf(error: unknown): string {
  const lines = (error instanceof Error ? error.message : String(error))
    .replace(/^(load|call)Script: /, "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !/^(The following operation failed|Traceback)/.test(line));
  const told =
    lines.find((line) => /^(RuntimeError|builtins\.\w+): /.test(line)) ?? lines[0] ?? "no reason given";
  return told.length > 200 ? `${told.slice(0, 200)}…` : told;
}
