// Writes what Python's pickle and torch.save write, for tests: files that no fixture has.

/** A Python class or function by name. */
export class Global {
  readonly module: string;
  readonly name: string;

  constructor(module: string, name: string) {
    this.module = module;
    this.name = name;
  }
}

/** The call of a global when the pickle is read. */
export class Call {
  readonly callee: Global;
  readonly args: readonly unknown[];

  constructor(module: string, name: string, ...args: readonly unknown[]) {
    this.callee = new Global(module, name);
    this.args = args;
  }
}

export class Tuple {
  readonly values: readonly unknown[];

  constructor(...values: readonly unknown[]) {
    this.values = values;
  }
}

/** An object whose state is set after it was made. */
export class Built {
  readonly object: unknown;
  readonly state: unknown;

  constructor(object: unknown, state: unknown) {
    this.object = object;
    this.state = state;
  }
}

/** A number that Python has as a float, also where it is whole. */
export class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** An object outside of the pickle. */
export class Reference {
  readonly id: unknown;

  constructor(id: unknown) {
    this.id = id;
  }
}

/** How elements lie in a tensor's storage. */
export interface Layout {
  dtype: "Float" | "Half" | "Double";
  /** Of a tensor of four dimensions: NHWC with the strides of NCHW. */
  channelsLast: boolean;
  /** Elements before the first one, as in a view of a larger tensor. */
  offset: number;
}

const plain: Layout = { dtype: "Float", channelsLast: false, offset: 0 };

/** A torch.Tensor. */
export class TorchTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
  layout = plain;

  constructor(shape: readonly number[], values: Float32Array) {
    this.shape = shape;
    this.values = values;
  }

  get strides(): number[] {
    const { shape } = this;
    const order = this.#order();
    const strides = shape.map(() => 1);
    for (let i = order.length - 2; i >= 0; i--) {
      const after = order[i + 1] as number;
      strides[order[i] as number] = (strides[after] as number) * (shape[after] as number);
    }
    return strides;
  }

  get storageElements(): number {
    return this.layout.offset + this.values.length;
  }

  storageBytes(): Buffer {
    const { dtype, offset } = this.layout;
    const { strides, shape, values } = this;
    const size = { Float: 4, Half: 2, Double: 8 }[dtype];
    const bytes = Buffer.alloc(size * this.storageElements);
    for (const [i, value] of values.entries()) {
      let at = offset;
      for (let dim = shape.length - 1, rest = i; dim >= 0; dim--) {
        at += (rest % (shape[dim] as number)) * (strides[dim] as number);
        rest = Math.floor(rest / (shape[dim] as number));
      }
      if (dtype === "Float") bytes.writeFloatLE(value, 4 * at);
      else if (dtype === "Double") bytes.writeDoubleLE(value, 8 * at);
      else bytes.writeUInt16LE(halfBits(value), 2 * at);
    }
    return bytes;
  }

  /** Dimensions from the outermost in memory to the innermost. */
  #order(): number[] {
    const dims = this.shape.map((_, dim) => dim);
    return this.layout.channelsLast && dims.length === 4 ? [0, 2, 3, 1] : dims;
  }
}

/** Of a value that half precision holds exactly. */
function halfBits(value: number): number {
  if (value === 0) return 0;
  const bits = Buffer.alloc(4);
  bits.writeFloatBE(value);
  const word = bits.readUInt32BE();
  const exponent = ((word >>> 23) & 0xff) - 127 + 15;
  if (exponent < 1 || exponent > 30 || (word & 0x1fff) !== 0) throw new Error(`${value} is no half`);
  return ((word >>> 16) & 0x8000) | (exponent << 10) | ((word >>> 13) & 0x3ff);
}

export interface PickleWriterOptions {
  protocol: 2 | 4;
  /** What a tensor's storage is in this pickle. */
  storage: (tensor: TorchTensor) => unknown;
}

/** The bytes of a pickle of plain values, maps (dictionaries), arrays (lists) and the classes above. */
export function writePickle(root: unknown, options: PickleWriterOptions): Buffer {
  const chunks: Buffer[] = [];
  const op = (...bytes: number[]) => chunks.push(Buffer.from(bytes));
  const sized = (opcode: string, bytes: Buffer) => {
    const head = Buffer.alloc(5);
    head.write(opcode, "latin1");
    head.writeUInt32LE(bytes.length, 1);
    chunks.push(head, bytes);
  };
  const code = (opcode: string) => chunks.push(Buffer.from(opcode, "latin1"));
  const number = (value: number, isFloat = !Number.isInteger(value)) => {
    if (isFloat) {
      const bytes = Buffer.alloc(9);
      bytes.write("G");
      bytes.writeDoubleBE(value, 1);
      chunks.push(bytes);
    } else if (value >= 0 && value < 256) {
      op(0x4b, value);
    } else {
      const bytes = Buffer.alloc(5);
      bytes.write("J");
      bytes.writeInt32LE(value, 1);
      chunks.push(bytes);
    }
  };
  const tuple = (values: readonly unknown[]) => {
    code("(");
    for (const value of values) write(value);
    code("t");
  };
  const memo = new Map<unknown, number>();
  const memoize = (value: unknown) => {
    const index = memo.size;
    memo.set(value, index);
    if (options.protocol >= 4) return code("\x94");
    const bytes = Buffer.alloc(5);
    bytes.write("r");
    bytes.writeUInt32LE(index, 1);
    return chunks.push(bytes);
  };
  const recall = (index: number) => {
    const bytes = Buffer.alloc(5);
    bytes.write("j");
    bytes.writeUInt32LE(index, 1);
    chunks.push(bytes);
  };
  const write = (value: unknown): void => {
    const known = memo.get(value);
    if (known !== undefined) recall(known);
    else if (value === null) code("N");
    else if (value === true) code("\x88");
    else if (value === false) code("\x89");
    else if (typeof value === "number") number(value);
    else if (typeof value === "bigint") {
      const hex = value.toString(16);
      const bytes = Buffer.from(hex.length % 2 ? `0${hex}` : hex, "hex").reverse();
      op(0x8a, bytes.length);
      chunks.push(bytes);
    } else if (value instanceof Float) number(value.value, true);
    else if (typeof value === "string") {
      sized("X", Buffer.from(value));
      memoize(value);
    } else if (Buffer.isBuffer(value)) sized("B", value);
    else if (value instanceof Tuple) tuple(value.values);
    else if (Array.isArray(value)) {
      code("]");
      memoize(value);
      code("(");
      for (const item of value) write(item);
      code("e");
    } else if (value instanceof Map) {
      code("}");
      memoize(value);
      code("(");
      for (const pair of value) for (const item of pair) write(item);
      code("u");
    } else if (value instanceof Global) {
      if (options.protocol >= 4) {
        write(value.module);
        write(value.name);
        code("\x93");
      } else code(`c${value.module}\n${value.name}\n`);
    } else if (value instanceof Call) {
      write(value.callee);
      tuple(value.args);
      code("R");
      memoize(value);
    } else if (value instanceof Built) {
      write(value.object);
      write(value.state);
      code("b");
    } else if (value instanceof Reference) {
      write(value.id);
      code("Q");
    } else if (value instanceof TorchTensor) {
      const { shape, strides, layout } = value;
      const hooks = new Call("collections", "OrderedDict");
      write(
        new Call(
          ...(["torch._utils", "_rebuild_tensor_v2", options.storage(value), layout.offset] as const),
          ...[new Tuple(...shape), new Tuple(...strides), false, hooks],
        ),
      );
      memoize(value);
    } else throw new Error(`a pickle of ${String(value)}`);
  };
  op(0x80, options.protocol);
  write(root);
  code(".");
  return Buffer.concat(chunks);
}
