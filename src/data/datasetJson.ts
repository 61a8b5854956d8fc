// NVIDIA's dataset.json as it comes, piece by piece: {"labels": [["folder/file.png", 0], …]}, or null for the list, and
// what `stylegan dataset` adds, {"classes": ["cat", …]}. It may have millions of labels, or be made of brackets alone: of
// either nothing is kept but the labels that are asked for.

/** What is said of the files that are asked for. */
export interface DatasetLabels {
  labelOf: ReadonlyMap<string, number>;
  /** One more than the largest label of all. */
  classes: number;
  /** Of the classes; empty where the file has none. */
  names: readonly string[];
}

export interface LabelOptions {
  /** Whether a label of that name is wanted. */
  isWanted: (name: string) => boolean;
  /** Labels are below it. */
  maxClasses: number;
}

/**
 * The labels in a file; undefined if it says nothing about labels.
 * @throws SyntaxError with what is wrong
 */
export async function readLabels(
  chunks: AsyncIterable<Uint8Array>,
  options: LabelOptions,
): Promise<DatasetLabels | undefined> {
  const reader = new LabelReader(options);
  for await (const chunk of chunks) reader.push(chunk);
  return reader.end();
}

/** What may come next. */
type Next = "value" | "value or end" | "comma or end" | "key" | "key or end" | "colon" | "nothing";

const maxDepth = 64;
const maxTextBytes = 4096;

const code = (character: string) => character.charCodeAt(0);
const [quote, backslash, comma, colon] = ['"', "\\", ",", ":"].map(code) as [number, number, number, number];
const [openList, closeList, openObject, closeObject] = ["[", "]", "{", "}"].map(code) as [
  number,
  number,
  number,
  number,
];
const whitespace = new Set([" ", "\t", "\n", "\r"].map(code));

class LabelReader {
  readonly #options: LabelOptions;
  readonly #labels = new Map<string, number>();
  readonly #names: string[] = [];
  #found = false;
  #largest = -1;

  // ---- where it is ----
  #next: Next = "value";
  /** The closing brackets that are to come. */
  readonly #open: number[] = [];
  /** The last key of the outermost object. */
  #key = "";
  /** The pair that is being read: its name, then its label. */
  #pair: unknown[] = [];

  // ---- the text or word that is being read ----
  #inText = false;
  #escaped = false;
  readonly #bytes = Buffer.alloc(maxTextBytes);
  /** Bytes of it; more than there is room for of one that is too long. */
  #length = 0;

  constructor(options: LabelOptions) {
    this.#options = options;
  }

  push(chunk: Uint8Array): void {
    for (const byte of chunk) {
      if (this.#inText) this.#text(byte);
      else if (byte === quote) {
        this.#endWord();
        this.#inText = true;
      } else if (whitespace.has(byte)) this.#endWord();
      else if (byte === openList || byte === openObject) this.#begin(byte);
      else if (byte === closeList || byte === closeObject) this.#close(byte);
      else if (byte === comma) this.#comma();
      else if (byte === colon) this.#colon();
      else this.#add(byte);
    }
  }

  end(): DatasetLabels | undefined {
    this.#endWord();
    if (this.#next !== "nothing" || this.#inText) throw new SyntaxError("it is cut short");
    return this.#found
      ? { labelOf: this.#labels, classes: this.#largest + 1, names: this.#names }
      : undefined;
  }

  #text(byte: number): void {
    if (byte !== quote || this.#escaped) {
      this.#escaped = byte === backslash && !this.#escaped;
      this.#add(byte);
      return;
    }
    this.#inText = false;
    const isKey = this.#next === "key" || this.#next === "key or end";
    if (isKey) {
      if (this.#open.length === 1) this.#key = this.#taken('"') as string;
      this.#length = 0;
      this.#next = "colon";
      return;
    }
    this.#value(() => this.#taken('"'));
  }

  #add(byte: number): void {
    if (this.#length < maxTextBytes) this.#bytes[this.#length] = byte;
    this.#length += 1;
  }

  /** The text or word as JSON has it. */
  #taken(mark: string): unknown {
    if (this.#length > maxTextBytes) throw new SyntaxError("a name is too long");
    return JSON.parse(mark + this.#bytes.toString("utf8", 0, this.#length) + mark) as unknown;
  }

  #endWord(): void {
    if (this.#length > 0) this.#value(() => this.#taken(""));
  }

  /** A text, a number or a word has ended. */
  #value(read: () => unknown): void {
    if (this.#next !== "value" && this.#next !== "value or end") throw misplaced("a value");
    if (this.#isInLabels) {
      if (this.#open.length !== 3) throw new SyntaxError("labels must be pairs");
      this.#pair.push(read());
      if (this.#pair.length > 2) throw new SyntaxError("labels must be pairs");
    } else if (this.#open.length === 1 && this.#key === "labels") {
      if (read() !== null) throw new SyntaxError("labels must be a list");
      this.#found = true;
    } else if (this.#open.length === 0) {
      throw new SyntaxError("it must be an object");
    } else if (this.#open.length === 2 && this.#key === "classes") {
      this.#addName(read());
    }
    this.#length = 0;
    this.#afterValue();
  }

  #addName(name: unknown): void {
    if (typeof name !== "string") throw new SyntaxError("classes must be a list of names");
    if (this.#names.length >= this.#options.maxClasses) throw new SyntaxError("there are too many classes");
    this.#names.push(name);
  }

  get #isInLabels(): boolean {
    return this.#open.length >= 2 && this.#key === "labels";
  }

  #begin(byte: number): void {
    this.#endWord();
    if (this.#next !== "value" && this.#next !== "value or end") throw misplaced("a bracket");
    const isList = byte === openList;
    if (this.#open.length === 0 && isList) throw new SyntaxError("it must be an object");
    if (this.#key === "labels" && this.#open.length >= 1) {
      if (!isList || this.#open.length > 2) throw new SyntaxError("labels must be a list of pairs");
      this.#found = true;
      this.#pair = [];
    }
    if (this.#open.length === maxDepth) throw new SyntaxError(`more than ${maxDepth} levels`);
    this.#open.push(isList ? closeList : closeObject);
    this.#next = isList ? "value or end" : "key or end";
  }

  #close(byte: number): void {
    this.#endWord();
    const mayEnd = this.#next === "comma or end" || this.#next.endsWith("or end");
    if (!mayEnd || this.#open.at(-1) !== byte) throw misplaced("a bracket");
    if (this.#isInLabels && this.#open.length === 3) this.#addPair();
    this.#open.pop();
    this.#afterValue();
  }

  #addPair(): void {
    const [name, label] = this.#pair;
    const { maxClasses, isWanted } = this.#options;
    if (this.#pair.length !== 2 || typeof name !== "string") throw new SyntaxError("labels must be pairs");
    if (typeof label !== "number" || !Number.isInteger(label) || label < 0 || label >= maxClasses)
      throw new SyntaxError(`the label of ${JSON.stringify(name)} is no number from 0 to ${maxClasses - 1}`);
    this.#largest = Math.max(this.#largest, label);
    // Written on Windows, the names may hold backslashes.
    const path = name.replaceAll("\\", "/");
    if (isWanted(path)) this.#labels.set(path, label);
  }

  #afterValue(): void {
    this.#next = this.#open.length === 0 ? "nothing" : "comma or end";
  }

  #comma(): void {
    this.#endWord();
    if (this.#next !== "comma or end") throw misplaced("a comma");
    this.#next = this.#open.at(-1) === closeObject ? "key" : "value";
  }

  #colon(): void {
    if (this.#next !== "colon") throw misplaced("a colon");
    this.#next = "value";
  }
}

function misplaced(what: string): SyntaxError {
  return new SyntaxError(`${what} is where none belongs`);
}
