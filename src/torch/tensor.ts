// The tensor: what is known about one, its arithmetic, and its ways in and out of JavaScript.
// Names follow torch.Tensor; methods that end in an underscore work in place.

import { op, opInPlace, opMany } from "./dispatch.js";
import { arrayOf, type DType, dtypeOfArray, dtypeOfCode, dtypes, type TypedArray } from "./dtype.js";
import { engine, type Handle } from "./engine.js";
import { Owned } from "./scope.js";

export type Shape = readonly number[];
export type Device = string;
/** How the elements of an [N, C, H, W] tensor lie in memory. */
export type MemoryFormat = "contiguous" | "channelsLast" | "preserve";

const memoryFormats: Record<MemoryFormat, number> = { contiguous: 0, preserve: 1, channelsLast: 2 };

const ops = {
  add: op("add", "Tensor"),
  addScalar: op("add", "Scalar"),
  sub: op("sub", "Tensor"),
  subScalar: op("sub", "Scalar"),
  mul: op("mul", "Tensor"),
  mulScalar: op("mul", "Scalar"),
  div: op("div", "Tensor"),
  divScalar: op("div", "Scalar"),
  neg: op("neg"),
  square: op("square"),
  sqrt: op("sqrt"),
  rsqrt: op("rsqrt"),
  exp: op("exp"),
  log: op("log"),
  abs: op("abs"),
  sin: op("sin"),
  cos: op("cos"),
  acos: op("acos"),
  sign: op("sign"),
  floor: op("floor"),
  relu: op("relu"),
  sum: op("sum"),
  sumDims: op("sum", "dim_IntList"),
  mean: op("mean"),
  meanDims: op("mean", "dim"),
  lerp: op("lerp", "Scalar"),
  norm: op("linalg_vector_norm"),
  clamp: op("clamp"),
  isfinite: op("isfinite"),
  all: op("all"),
  reshape: op("reshape"),
  permute: op("permute"),
  expand: op("expand"),
  narrow: op("narrow"),
  select: op("select", "int"),
  asStrided: op("as_strided"),
  unsqueeze: op("unsqueeze"),
  squeeze: op("squeeze", "dim"),
  unbind: opMany("unbind", "int"),
  flip: op("flip"),
  roll: op("roll"),
  contiguous: op("contiguous"),
  detach: op("detach"),
  clone: op("clone"),
  to: op("to", "dtype"),
  toDevice: op("to", "device"),
  pinMemory: op("pin_memory"),
  add_: opInPlace("add_", "Tensor"),
  mul_: opInPlace("mul_", "Scalar"),
  copy_: opInPlace("copy_"),
  zero_: opInPlace("zero_"),
  fill_: opInPlace("fill_", "Scalar"),
  lerp_: opInPlace("lerp_", "Scalar"),
  addcmul_: opInPlace("addcmul_"),
  addcdiv_: opInPlace("addcdiv_"),
  sqrt_: opInPlace("sqrt_"),
  nanToNum_: opInPlace("nan_to_num_"),
  clamp_: opInPlace("clamp_"),
};

export class Tensor extends Owned {
  #shape: Shape | undefined;

  // ---- what is known ----

  get shape(): Shape {
    this.#shape ??= engine.shape(this.handle);
    return this.#shape;
  }

  get strides(): Shape {
    return engine.strides(this.handle);
  }

  /** Size of dimension `dim`; negative numbers count from the end. */
  size(dim: number): number {
    const size = this.shape.at(dim);
    if (size === undefined) throw new Error(`size: dimension ${dim} of ${this} does not exist`);
    return size;
  }

  get numel(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }

  get dtype(): DType {
    return dtypeOfCode(engine.dtype(this.handle));
  }

  get device(): Device {
    return engine.device(this.handle);
  }

  get requiresGrad(): boolean {
    return engine.requiresGrad(this.handle);
  }

  /** Whether gradients of this leaf are computed. Returns the tensor itself. */
  setRequiresGrad(required: boolean): this {
    engine.setRequiresGrad(this.handle, required);
    return this;
  }

  override toString(): string {
    return this.isDisposed ? "a disposed tensor" : this.describe();
  }

  protected override describe(): string {
    return `${this.dtype}[${this.shape.join(", ")}]`;
  }

  // ---- out of libtorch ----

  /** The only element as a number. Waits for the device. */
  item(): number {
    return engine.item(this.handle);
  }

  /** A copy of the elements in row-major order. Half types come as their bit patterns. */
  toArray(): TypedArray {
    return dtypes[this.dtype].make(engine.toBytes(this.handle));
  }

  /** A copy of the elements as float32, whatever their type. */
  toFloat32Array(): Float32Array {
    const converted = new Tensor(ops.to(this, dtypes.float32.code));
    const bytes = engine.toBytes(converted.handle);
    converted.dispose();
    return new Float32Array(bytes);
  }

  /** The raw bytes of the elements in row-major order. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(engine.toBytes(this.handle));
  }

  // ---- arithmetic, with broadcasting ----

  add(other: Tensor | number): Tensor {
    return new Tensor(other instanceof Tensor ? ops.add(this, other) : ops.addScalar(this, other));
  }

  sub(other: Tensor | number): Tensor {
    return new Tensor(other instanceof Tensor ? ops.sub(this, other) : ops.subScalar(this, other));
  }

  mul(other: Tensor | number): Tensor {
    return new Tensor(other instanceof Tensor ? ops.mul(this, other) : ops.mulScalar(this, other));
  }

  div(other: Tensor | number): Tensor {
    return new Tensor(other instanceof Tensor ? ops.div(this, other) : ops.divScalar(this, other));
  }

  neg(): Tensor {
    return new Tensor(ops.neg(this));
  }

  square(): Tensor {
    return new Tensor(ops.square(this));
  }

  sqrt(): Tensor {
    return new Tensor(ops.sqrt(this));
  }

  rsqrt(): Tensor {
    return new Tensor(ops.rsqrt(this));
  }

  exp(): Tensor {
    return new Tensor(ops.exp(this));
  }

  log(): Tensor {
    return new Tensor(ops.log(this));
  }

  abs(): Tensor {
    return new Tensor(ops.abs(this));
  }

  sin(): Tensor {
    return new Tensor(ops.sin(this));
  }

  cos(): Tensor {
    return new Tensor(ops.cos(this));
  }

  acos(): Tensor {
    return new Tensor(ops.acos(this));
  }

  sign(): Tensor {
    return new Tensor(ops.sign(this));
  }

  floor(): Tensor {
    return new Tensor(ops.floor(this));
  }

  relu(): Tensor {
    return new Tensor(ops.relu(this));
  }

  clamp(min: number | null, max: number | null): Tensor {
    return new Tensor(ops.clamp(this, min, max));
  }

  /** this + weight * (end - this) */
  lerp(end: Tensor, weight: number): Tensor {
    return new Tensor(ops.lerp(this, end, weight));
  }

  // ---- reductions ----

  /** Sum over all elements, or over `dims`. */
  sum(dims?: readonly number[], keepDims = false): Tensor {
    return new Tensor(dims ? ops.sumDims(this, dims, keepDims) : ops.sum(this));
  }

  /** Mean over all elements, or over `dims`. */
  mean(dims?: readonly number[], keepDims = false): Tensor {
    return new Tensor(dims ? ops.meanDims(this, dims, keepDims) : ops.mean(this));
  }

  /** Whether every element is a finite number. Waits for the device. */
  allFinite(): boolean {
    const finite = new Tensor(ops.isfinite(this));
    const all = new Tensor(ops.all(finite));
    const result = all.item() !== 0;
    finite.dispose();
    all.dispose();
    return result;
  }

  // ---- shape ----

  reshape(shape: Shape): Tensor {
    return new Tensor(ops.reshape(this, shape));
  }

  permute(dims: readonly number[]): Tensor {
    return new Tensor(ops.permute(this, dims));
  }

  /** A view with dimensions of size 1 repeated; -1 leaves a dimension as it is. */
  expand(shape: Shape): Tensor {
    return new Tensor(ops.expand(this, shape));
  }

  /** A view of `length` elements from `start` along `dim`. */
  narrow(dim: number, start: number, length: number): Tensor {
    return new Tensor(ops.narrow(this, dim, start, length));
  }

  /** A view of the memory from this tensor's first element on, with steps of `strides` elements. */
  asStrided(shape: Shape, strides: readonly number[]): Tensor {
    return new Tensor(ops.asStrided(this, shape, strides));
  }

  /** A view of one index along `dim`, which disappears. */
  select(dim: number, index: number): Tensor {
    return new Tensor(ops.select(this, dim, index));
  }

  unsqueeze(dim: number): Tensor {
    return new Tensor(ops.unsqueeze(this, dim));
  }

  squeeze(dim: number): Tensor {
    return new Tensor(ops.squeeze(this, dim));
  }

  /** Views of every index along `dim`. */
  unbind(dim: number): Tensor[] {
    return wrapAll(ops.unbind(this, dim));
  }

  flip(dims: readonly number[]): Tensor {
    return new Tensor(ops.flip(this, dims));
  }

  /** The elements moved by `shift` along `dim`; what leaves at the end comes in at the beginning. */
  roll(shift: number, dim: number): Tensor {
    return new Tensor(ops.roll(this, [shift], [dim]));
  }

  // ---- memory ----

  /** The same elements in the given layout; the tensor itself (a second owner) if it has it already. */
  contiguous(format: MemoryFormat = "contiguous"): Tensor {
    return new Tensor(ops.contiguous(this, memoryFormats[format]));
  }

  /** A view outside of the graph. */
  detach(): Tensor {
    return new Tensor(ops.detach(this));
  }

  clone(format: MemoryFormat = "preserve"): Tensor {
    return new Tensor(ops.clone(this, memoryFormats[format]));
  }

  /** The elements as `dtype`; a second owner of the same memory if they are that already. */
  to(dtype: DType): Tensor {
    return new Tensor(ops.to(this, dtypes[dtype].code));
  }

  toDevice(device: Device): Tensor {
    return new Tensor(ops.toDevice(this, device, engine.dtype(this.handle)));
  }

  /**
   * A tensor of this machine's memory for `device`. A GPU fetches it from pinned memory while the program goes on; what is
   * computed with it there comes after it in order.
   */
  upload(device: Device): Tensor {
    if (!device.startsWith("cuda")) return this.toDevice(device);
    const pinned = new Tensor(ops.pinMemory(this));
    const nonBlocking = true;
    return new Tensor(ops.toDevice(pinned, device, engine.dtype(this.handle), nonBlocking));
  }

  /** Shares the memory of `other` from now on and stays the same variable to autograd. */
  setData(other: Tensor): void {
    engine.setData(this.handle, other.handle);
    this.#shape = undefined;
  }

  /** `backward` adds this leaf's gradient to `gradient` from now on; null: it makes a new one. */
  setGrad(gradient: Tensor | null): void {
    engine.setGrad(this.handle, gradient?.handle ?? null);
  }

  /** What `backward` left here; null: nothing. */
  grad(): Tensor | null {
    const [handle] = engine.gradOf(this.handle) as [Handle];
    return handle === 0 ? null : new Tensor(handle);
  }

  // ---- in place ----

  add_(other: Tensor, alpha = 1): this {
    ops.add_(this, other, alpha);
    return this;
  }

  mul_(factor: number): this {
    ops.mul_(this, factor);
    return this;
  }

  copy_(source: Tensor): this {
    ops.copy_(this, source);
    return this;
  }

  zero_(): this {
    ops.zero_(this);
    return this;
  }

  fill_(value: number): this {
    ops.fill_(this, value);
    return this;
  }

  /** The root of the sum of squares of all elements, []. */
  norm(): Tensor {
    return new Tensor(ops.norm(this));
  }

  /** this += weight * (end - this) */
  lerp_(end: Tensor, weight: number): this {
    ops.lerp_(this, end, weight);
    return this;
  }

  /** this += value * a * b */
  addcmul_(a: Tensor, b: Tensor, value: number): this {
    ops.addcmul_(this, a, b, value);
    return this;
  }

  /** this += value * a / b */
  addcdiv_(a: Tensor, b: Tensor, value: number): this {
    ops.addcdiv_(this, a, b, value);
    return this;
  }

  sqrt_(): this {
    ops.sqrt_(this);
    return this;
  }

  clamp_(min: number, max: number): this {
    ops.clamp_(this, min, max);
    return this;
  }

  nanToNum_(replacement: { nan: number; posinf: number; neginf: number }): this {
    ops.nanToNum_(this, replacement.nan, replacement.posinf, replacement.neginf);
    return this;
  }
}

export function wrapAll(handles: readonly Handle[]): Tensor[] {
  return handles.map((handle) => new Tensor(handle));
}

/**
 * A tensor on the CPU with a copy of `values`; plain numbers become float32 unless `dtype` says otherwise.
 * Throws when their number does not fit the shape.
 */
export function tensor(
  values: readonly number[] | TypedArray,
  shape: Shape = [values.length],
  dtype?: DType,
): Tensor {
  const array = isPlain(values) ? arrayOf(values, dtype ?? "float32") : values;
  return new Tensor(engine.fromBytes(array, shape, dtypes[dtype ?? dtypeOfArray(array)].code));
}

function isPlain(values: readonly number[] | TypedArray): values is readonly number[] {
  return Array.isArray(values);
}

/** A tensor on the CPU with a copy of raw row-major bytes. */
export function tensorFromBytes(bytes: ArrayBufferView, shape: Shape, dtype: DType): Tensor {
  return new Tensor(engine.fromBytes(bytes, shape, dtypes[dtype].code));
}
