// Python's pickle format, read without running anything: a machine with a stack whose programs can make plain
// values and a closed list of objects, nothing else.
// https://docs.python.org/3/library/pickletools.html describes the instructions ("opcodes").
//
// What protects against hostile files: instructions and text are counted, long byte strings stay in the file,
// nothing recurses, and a global that is not in the caller's list ends the reading with its name.

import { type ByteSource, SourcePart } from "./byteSource.js";

/** The file is no pickle, damaged, or wants something that is not allowed. One line. */
export class PickleError extends Error {
  override name = "PickleError";
}

/** The file asks for something of Python's that is not in the closed list. */
export class ForbiddenGlobal extends PickleError {
  override name = "ForbiddenGlobal";
}

/** A Python class or function that pickles may name. */
export interface PickleGlobal {
  /** What calling it, or making an object of it, gives. */
  call(args: readonly unknown[]): unknown;
}

/** An object whose state a pickle may set (BUILD). */
export abstract class PickleObject {
  abstract setState(state: unknown): void;
}

/** A `bytes` of Python that was left in the file. */
export class PickleBytes {
  readonly source: ByteSource;

  constructor(source: ByteSource) {
    this.source = source;
  }
}

/** What several pickles of one file may use up together. */
export class PickleBudget {
  /** A file of the largest networks with their optimizers takes below a hundred thousand. */
  #instructions = 500_000;
  /** A network's own source text, which is kept beside it, is below 100 kB. */
  #textBytes = 2 ** 25;

  /** @param count of instructions that cost as much, in time or memory */
  instruction(count = 1): void {
    this.#instructions -= count;
    if (this.#instructions < 0) throw new PickleError("the pickle has too many instructions for a network");
  }

  text(bytes: number): void {
    this.#textBytes -= bytes;
    if (this.#textBytes < 0) throw new PickleError("the pickle has too much text for a network");
  }
}

export interface PickleOptions {
  /** By "module name", both as Python has them. */
  globals: ReadonlyMap<string, PickleGlobal>;
  budget: PickleBudget;
  /** Objects that are stored outside of the pickle. */
  persistentLoad?: (id: unknown) => unknown;
}

/**
 * The object that the pickle at `start` describes, and where it ends. Lists and tuples become arrays, dictionaries
 * maps, bytes `PickleBytes`; integers are numbers where they are exact, else bigints.
 * @throws PickleError with one line that says what is wrong
 */
export function readPickle(
  source: ByteSource,
  start: number,
  options: PickleOptions,
): { value: unknown; end: number } {
  const machine = new Machine(source, start, options);
  return { value: machine.run(), end: machine.position };
}

/** Instructions are read from the file so many bytes at a time. */
const windowBytes = 2 ** 16;
const maxIntegerBytes = 64;

class Machine {
  position: number;
  readonly #source: ByteSource;
  readonly #options: PickleOptions;
  readonly #stack: unknown[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, unknown>();
  #window: Buffer = Buffer.alloc(0);
  #windowStart = 0;

  constructor(source: ByteSource, start: number, options: PickleOptions) {
    this.#source = source;
    this.position = start;
    this.#options = options;
  }

  run(): unknown {
    for (;;) {
      this.#options.budget.instruction();
      const at = this.position;
      const opcode = this.#byte();
      if (opcode === stop) return this.pop();
      const instruction = instructions[opcode];
      if (!instruction) {
        const code = `0x${opcode.toString(16).padStart(2, "0")}`;
        throw new PickleError(`byte ${at} holds ${code}, no instruction of the pickles that are read here`);
      }
      instruction.call(this);
    }
  }

  // ---- bytes ----

  #take(length: number): Buffer {
    const { position } = this;
    const remaining = this.#source.length - position;
    if (length > remaining) throw new PickleError("it is cut short or damaged");
    this.position += length;
    if (length > windowBytes) return this.#source.read(position, length);
    let offset = position - this.#windowStart;
    if (offset < 0 || offset + length > this.#window.length) {
      this.#window = this.#source.read(position, Math.min(windowBytes, remaining));
      this.#windowStart = position;
      offset = 0;
    }
    return this.#window.subarray(offset, offset + length);
  }

  #byte(): number {
    return this.#take(1)[0] as number;
  }

  unsigned(bytes: 1 | 2 | 4): number {
    return this.#take(bytes).readUIntLE(0, bytes);
  }

  /** A length of 8 bytes. */
  length8(): number {
    const length = this.#take(8).readBigUInt64LE();
    if (length > BigInt(this.#source.length)) throw new PickleError("it is cut short or damaged");
    return Number(length);
  }

  int32(): number {
    return this.#take(4).readInt32LE();
  }

  float64(): number {
    return this.#take(8).readDoubleBE();
  }

  /** Little-endian two's complement. */
  integer(length: number): number | bigint {
    if (length > maxIntegerBytes) throw new PickleError(`an integer of ${length} bytes`);
    const bits = Buffer.from(this.#take(length)).reverse().toString("hex");
    const value = length === 0 ? 0n : BigInt.asIntN(8 * length, BigInt(`0x${bits}`));
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  text(length: number): string {
    this.#options.budget.text(length);
    return this.#take(length).toString("utf8");
  }

  /** Leaves the bytes where they are. */
  bytes(length: number): PickleBytes {
    if (length > this.#source.length - this.position) throw new PickleError("it is cut short or damaged");
    const bytes = new PickleBytes(new SourcePart(this.#source, this.position, length));
    this.position += length;
    return bytes;
  }

  /** Up to the next line feed. */
  line(): string {
    const maxLength = 1000;
    const bytes: number[] = [];
    for (let byte = this.#byte(); byte !== 0x0a; byte = this.#byte()) {
      bytes.push(byte);
      if (bytes.length > maxLength) throw new PickleError("it is damaged: a name without an end");
    }
    return Buffer.from(bytes).toString("utf8");
  }

  // ---- stack ----

  push(value: unknown): void {
    this.#stack.push(value);
  }

  /** An empty one takes some 200 bytes already. */
  pushTable(table: Map<unknown, unknown> | Set<unknown>): void {
    this.#options.budget.instruction(8);
    this.push(table);
  }

  pop(): unknown {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) throw damaged();
    return this.#stack.pop();
  }

  top(): unknown {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) throw damaged();
    return this.#stack.at(-1);
  }

  mark(): void {
    this.#marks.push(this.#stack.length);
  }

  popToMark(): unknown[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw damaged();
    return this.#stack.splice(mark);
  }

  tuple(count: number): void {
    const values = Array.from({ length: count }, () => this.pop());
    this.push(values.reverse());
  }

  // ---- memo ----

  memoize(index = this.#memo.size): void {
    this.#memo.set(index, this.top());
  }

  recall(index: number): void {
    if (!this.#memo.has(index)) throw damaged();
    this.push(this.#memo.get(index));
  }

  // ---- collections ----

  append(values: readonly unknown[]): void {
    const list = this.top();
    if (!Array.isArray(list)) throw damaged();
    for (const value of values) list.push(value);
  }

  setItems(items: readonly unknown[]): void {
    const target = this.top();
    if (!(target instanceof Map) || items.length % 2 !== 0) throw damaged();
    for (let i = 0; i < items.length; i += 2) target.set(items[i], items[i + 1]);
  }

  addItems(values: readonly unknown[]): void {
    const target = this.top();
    if (!(target instanceof Set)) throw damaged();
    for (const value of values) target.add(value);
  }

  // ---- objects ----

  global(module: unknown, name: unknown): void {
    if (typeof module !== "string" || typeof name !== "string") throw damaged();
    const found = this.#options.globals.get(`${module} ${name}`);
    if (!found)
      throw new ForbiddenGlobal(
        `it asks for ${printable(module)}.${printable(name)}, which networks do not need: refused, and nothing of it was run`,
      );
    this.push(found);
  }

  call(callee: unknown, args: unknown): void {
    if (!isGlobal(callee) || !Array.isArray(args)) throw damaged();
    this.push(callee.call(args));
  }

  build(state: unknown): void {
    const target = this.top();
    // Attributes of a dictionary, such as the versions in torch's state dictionaries, are of no use here.
    if (target instanceof Map && (state === null || state instanceof Map || Array.isArray(state))) return;
    if (!(target instanceof PickleObject)) throw damaged();
    target.setState(state);
  }

  persistent(id: unknown): void {
    const { persistentLoad } = this.#options;
    if (!persistentLoad) throw new PickleError("it refers to an object outside of it");
    this.push(persistentLoad(id));
  }
}

function damaged(): PickleError {
  return new PickleError("the pickle is damaged: its instructions do not fit together");
}

function isGlobal(value: unknown): value is PickleGlobal {
  return typeof value === "object" && value !== null && typeof (value as PickleGlobal).call === "function";
}

/** Text of the file as part of a message: on one line and not endless. */
export function printable(text: string): string {
  const short = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return JSON.stringify(short).slice(1, -1);
}

type Instruction = (this: Machine) => void;

const stop = 0x2e;

/** By opcode: what the picklers of Python 3 write in protocols 2 to 5, and a few older ones. */
const instructions: Readonly<Record<number, Instruction>> = {
  // -- the frame around others
  128: function proto() {
    const protocol = this.unsigned(1);
    if (protocol > 5) throw new PickleError(`pickle protocol ${protocol} is not known`);
  },
  149: function frame() {
    this.length8(); // instructions do not depend on it
  },
  // -- plain values
  78: function none() {
    this.push(null);
  },
  136: function newTrue() {
    this.push(true);
  },
  137: function newFalse() {
    this.push(false);
  },
  74: function binInt() {
    this.push(this.int32());
  },
  75: function binInt1() {
    this.push(this.unsigned(1));
  },
  77: function binInt2() {
    this.push(this.unsigned(2));
  },
  138: function long1() {
    this.push(this.integer(this.unsigned(1)));
  },
  139: function long4() {
    this.push(this.integer(this.unsigned(4)));
  },
  71: function binFloat() {
    this.push(this.float64());
  },
  140: function shortBinUnicode() {
    this.push(this.text(this.unsigned(1)));
  },
  88: function binUnicode() {
    this.push(this.text(this.unsigned(4)));
  },
  141: function binUnicode8() {
    this.push(this.text(this.length8()));
  },
  67: function shortBinBytes() {
    this.push(this.bytes(this.unsigned(1)));
  },
  66: function binBytes() {
    this.push(this.bytes(this.unsigned(4)));
  },
  142: function binBytes8() {
    this.push(this.bytes(this.length8()));
  },
  // -- tuples, lists, dictionaries, sets
  41: function emptyTuple() {
    this.push([]);
  },
  133: function tuple1() {
    this.tuple(1);
  },
  134: function tuple2() {
    this.tuple(2);
  },
  135: function tuple3() {
    this.tuple(3);
  },
  116: function tuple() {
    this.push(this.popToMark());
  },
  93: function emptyList() {
    this.push([]);
  },
  97: function append() {
    const value = this.pop();
    this.append([value]);
  },
  101: function appends() {
    this.append(this.popToMark());
  },
  125: function emptyDict() {
    this.pushTable(new Map());
  },
  115: function setItem() {
    const value = this.pop();
    const key = this.pop();
    this.setItems([key, value]);
  },
  117: function setItems() {
    this.setItems(this.popToMark());
  },
  143: function emptySet() {
    this.pushTable(new Set());
  },
  144: function addItems() {
    this.addItems(this.popToMark());
  },
  145: function frozenSet() {
    this.pushTable(new Set(this.popToMark()));
  },
  // -- stack and memo
  40: function mark() {
    this.mark();
  },
  48: function pop() {
    this.pop();
  },
  49: function popMark() {
    this.popToMark();
  },
  148: function memoize() {
    this.memoize();
  },
  113: function binPut() {
    this.memoize(this.unsigned(1));
  },
  114: function longBinPut() {
    this.memoize(this.unsigned(4));
  },
  104: function binGet() {
    this.recall(this.unsigned(1));
  },
  106: function longBinGet() {
    this.recall(this.unsigned(4));
  },
  // -- objects
  99: function global() {
    const module = this.line();
    this.global(module, this.line());
  },
  147: function stackGlobal() {
    const name = this.pop();
    this.global(this.pop(), name);
  },
  105: function inst() {
    const module = this.line();
    this.global(module, this.line());
    const callee = this.pop();
    this.call(callee, this.popToMark());
  },
  82: function reduce() {
    const args = this.pop();
    this.call(this.pop(), args);
  },
  129: function newObj() {
    const args = this.pop();
    this.call(this.pop(), args);
  },
  98: function build() {
    this.build(this.pop());
  },
  81: function binPersId() {
    this.persistent(this.pop());
  },
};
