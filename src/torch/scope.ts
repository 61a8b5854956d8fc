// Who frees a tensor, and when.
//
// JavaScript's garbage collector knows nothing of tensor memory: waiting for it leaves hundreds of megabytes
// behind. `scope` frees what was made inside it at its end; a finalizer is only the safety net for tensors
// that were made outside of every scope.

import { engine, type Handle } from "./engine.js";

let current: Owned[] | undefined;

const safetyNet = new FinalizationRegistry<Handle>((handle) => engine.dispose(handle));

let observer: ((made: Owned) => void) | undefined;

/** Tells `listener` of every tensor that `body` makes. */
export function withObserver<T>(listener: (made: Owned) => void, body: () => T): T {
  const before = observer;
  observer = listener;
  try {
    return body();
  } finally {
    observer = before;
  }
}

/** Something that owns one slot in the addon's table. `Tensor` is the only subclass. */
export abstract class Owned {
  #handle: Handle;
  /** Why the slot is gone, for the message of a late use. */
  #gone = "";
  /** Whether it lives until `dispose`, with the finalizer as its safety net, or belongs to a scope. */
  #kept = false;

  constructor(handle: Handle) {
    this.#handle = handle;
    if (current) current.push(this);
    else this.keep();
    observer?.(this);
  }

  /** The slot. Throws when the tensor has been disposed. */
  get handle(): Handle {
    if (this.#handle === 0) throw new Error(`tensor ${this.#gone}`);
    return this.#handle;
  }

  get isDisposed(): boolean {
    return this.#handle === 0;
  }

  /** Frees the tensor's memory now. Throws when that has already happened. */
  dispose(): void {
    if (this.#handle === 0) throw new Error(`dispose: tensor ${this.#gone}`);
    const description = this.describe();
    safetyNet.unregister(this);
    engine.dispose(this.#handle);
    this.#release(`${description} has already been disposed`);
  }

  /** Takes the tensor out of its scope: it lives until `dispose`. For parameters, buffers and caches. */
  keep(): this {
    // Once only: a second registration would free the slot twice, and by then it may be another tensor's.
    if (!this.#kept) safetyNet.register(this, this.handle, this);
    this.#kept = true;
    return this;
  }

  /** For messages: dtype and shape. */
  protected abstract describe(): string;

  #release(reason: string): void {
    this.#handle = 0;
    this.#gone = reason;
  }

  /** Ends one scope: everything in `made` is freed, but what was kept or is in `returned` moves outwards. */
  static endScope(made: readonly Owned[], returned: ReadonlySet<Owned>, outer: Owned[] | undefined): void {
    const handles: Handle[] = [];
    for (const tensor of made) {
      if (tensor.#handle === 0 || tensor.#kept) continue;
      if (returned.has(tensor)) {
        if (outer) outer.push(tensor);
        else tensor.keep();
      } else {
        handles.push(tensor.#handle);
        tensor.#release("was freed at the end of the scope that made it");
      }
    }
    engine.disposeAll(handles);
  }
}

function collect(value: unknown, found: Set<Owned>): void {
  if (value instanceof Owned) found.add(value);
  else if (Array.isArray(value) || value instanceof Set) for (const element of value) collect(element, found);
  else if (value instanceof Map) for (const element of value.values()) collect(element, found);
  else if (isPlainObject(value)) for (const element of Object.values(value)) collect(element, found);
}

function isPlainObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/**
 * Runs `body` and frees every tensor made inside it, except those in what it returns (a tensor, or tensors in
 * arrays, maps and plain objects), which then belong to the scope around this one. Scopes nest; `body` must be
 * synchronous.
 */
export function scope<T>(body: () => T): T {
  const outer = current;
  const made: Owned[] = [];
  const returned = new Set<Owned>();
  current = made;
  try {
    const result = body();
    if (result instanceof Promise) throw new Error("scope: the body must not be asynchronous");
    collect(result, returned);
    return result;
  } finally {
    current = outer;
    Owned.endScope(made, returned, outer);
  }
}

/** How many tensors are alive in the addon's table. A step of a program that does not leak leaves it as it was. */
export function liveTensors(): number {
  return engine.liveCount();
}
