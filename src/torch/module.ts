// Modules: named parameters, buffers and children, as state dictionaries name them.

import { scope } from "./scope.js";
import type { Device, Tensor } from "./tensor.js";

/**
 * Something with parameters. Subclasses register what they own under the name that it has in a state
 * dictionary (NVIDIA's names for StyleGAN2, for example `noise_strength`), whatever the field is called.
 */
export abstract class Module {
  readonly #parameters = new Map<string, Tensor>();
  readonly #buffers = new Map<string, Tensor>();
  readonly #children = new Map<string, Module>();

  /** Registers a trained tensor. The module owns it from now on. */
  protected parameter(name: string, value: Tensor): Tensor {
    this.#parameters.set(name, value.keep().setRequiresGrad(true));
    return value;
  }

  /** Registers a tensor that is saved with the network but not trained. The module owns it from now on. */
  protected buffer(name: string, value: Tensor): Tensor {
    this.#buffers.set(name, value.keep());
    return value;
  }

  protected child<M extends Module>(name: string, module: M): M {
    this.#children.set(name, module);
    return module;
  }

  /** Every parameter with its full name, in the order of registration. The module keeps owning them. */
  namedParameters(prefix = ""): [string, Tensor][] {
    return this.#collect(prefix, (module) => module.#parameters);
  }

  /** Every buffer with its full name, in the order of registration. The module keeps owning them. */
  namedBuffers(prefix = ""): [string, Tensor][] {
    return this.#collect(prefix, (module) => module.#buffers);
  }

  parameters(): Tensor[] {
    return this.namedParameters().map(([, tensor]) => tensor);
  }

  buffers(): Tensor[] {
    return this.namedBuffers().map(([, tensor]) => tensor);
  }

  /** Direct children by name. */
  namedChildren(): [string, Module][] {
    return [...this.#children];
  }

  /** Parameters and buffers by full name. The module keeps owning them. */
  stateDict(prefix = ""): Map<string, Tensor> {
    return new Map([...this.namedParameters(prefix), ...this.namedBuffers(prefix)]);
  }

  /**
   * Copies `state` into the parameters and buffers. Entries that the module does not have are ignored when
   * `ignore` says so.
   * @throws Error that names the first missing, unknown or wrongly shaped entry
   */
  loadStateDict(state: ReadonlyMap<string, Tensor>, ignore: (name: string) => boolean = () => false): void {
    const own = this.stateDict();
    for (const name of state.keys()) {
      if (!own.has(name) && !ignore(name)) throw new Error(`unknown entry ${name}`);
    }
    for (const [name, target] of own) {
      const source = state.get(name);
      if (!source) throw new Error(`entry ${name} is missing`);
      if (String(source.shape) !== String(target.shape)) {
        throw new Error(`entry ${name} has shape [${source.shape}], expected [${target.shape}]`);
      }
    }
    scope(() => {
      for (const [name, target] of own) target.detach().copy_(state.get(name) as Tensor);
    });
  }

  /** Whether operators record a graph for this module's parameters. */
  setRequiresGrad(required: boolean): void {
    for (const parameter of this.parameters()) parameter.setRequiresGrad(required);
  }

  /** Moves every parameter and buffer. Call it before the parameters are laid flat. */
  to(device: Device): this {
    scope(() => {
      for (const tensor of [...this.parameters(), ...this.buffers()])
        tensor.setData(tensor.detach().toDevice(device));
    });
    return this;
  }

  /** Frees every parameter and buffer. */
  dispose(): void {
    for (const tensor of [...this.#parameters.values(), ...this.#buffers.values()]) tensor.dispose();
    for (const module of this.#children.values()) module.dispose();
  }

  #collect(prefix: string, of: (module: Module) => Map<string, Tensor>): [string, Tensor][] {
    const own = [...of(this)].map(([name, tensor]): [string, Tensor] => [prefix + name, tensor]);
    const inherited = [...this.#children].flatMap(([name, module]) =>
      module.#collect(`${prefix}${name}.`, of),
    );
    return [...own, ...inherited];
  }
}
