// What a set of pictures is like, gathered picture by picture: nothing is kept of one but what tells others alike.

import type { SkippedFile } from "../imageSource.js";
import { type Finding, type FindingCounts, findingNames } from "./findings.js";
import { cellsAlong, cellsOf, deviationOf, type Raster } from "./fingerprint.js";
import { NearDuplicates } from "./nearDuplicates.js";

export interface Found {
  readonly file: string;
  /** Why, or which other file it is like. */
  readonly note?: string;
}

/** What is seen of one picture. */
export interface Look {
  readonly file: string;
  /** Tells equal files. */
  readonly digest: string;
  readonly format: string;
  /** In words: "RGB", "16-bit gray with alpha". */
  readonly colour: string;
  /** As it is meant to be seen. */
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly refersOutside: boolean;
  /** As it would be trained on, but small. */
  readonly raster: Raster;
}

export interface SurveyOptions {
  /** Pictures with a side below it are tiny. */
  readonly tinySide: number;
  /** The class of a file, for the counts. */
  readonly classOf?: ((file: string) => string | undefined) | undefined;
}

/** A side that leaves nothing to see. */
export const tinySide = 16;

/** A smaller deviation of the colours, in levels of 255, is no picture. */
const blankDeviation = 2;

export class Survey {
  readonly found = new Map<Finding, Found[]>(findingNames.map((name) => [name, []]));
  readonly formats = new Map<string, number>();
  readonly colours = new Map<string, number>();
  readonly sizes = new Map<string, number>();
  readonly shapes = new Map<string, number>();
  /** Undefined where there are none. */
  readonly classes: Map<string, number> | undefined;
  /** How many pictures have a shorter side of so many pixels. */
  readonly #shorterSides = new Map<number, number>();
  readonly #options: SurveyOptions;
  readonly #digests = new Map<string, string>();
  readonly #near = new NearDuplicates();
  readonly #mean = new MeanPicture();
  #pictures = 0;

  constructor(options: SurveyOptions) {
    this.#options = options;
    this.classes = options.classOf && new Map();
  }

  /** Pictures that can be read. */
  get pictures(): number {
    return this.#pictures;
  }

  skip({ file, reason }: SkippedFile): void {
    this.#find("unreadable", { file, note: reason });
  }

  add(look: Look): void {
    const { file, width, height, raster } = look;
    this.#pictures++;
    count(this.formats, look.format);
    count(this.colours, look.colour);
    count(this.sizes, `${width} x ${height}`);
    count(this.shapes, shapeOf(width, height));
    count(this.#shorterSides, Math.min(width, height));
    const className = this.#options.classOf?.(file);
    if (this.classes && className !== undefined) count(this.classes, className);

    if (look.frames > 1) this.#find("animated", { file, note: `${look.frames} frames` });
    if (look.refersOutside) this.#find("outside", { file });
    if (Math.min(width, height) < this.#options.tinySide)
      this.#find("tiny", { file, note: `${width} x ${height}` });

    const cells = cellsOf(raster);
    const isBlank = deviationOf(cells) < blankDeviation;
    if (isBlank) this.#find("blank", { file });
    else this.#mean.add(cells);

    const same = this.#digests.get(look.digest);
    if (same !== undefined) {
      this.#find("duplicates", { file, note: same });
      return;
    }
    this.#digests.set(look.digest, file);
    // Blank ones are all alike.
    const like = isBlank ? undefined : this.#near.add(file, raster);
    if (like !== undefined) this.#find("near-duplicates", { file, note: like });
  }

  /** The files with one of these findings. */
  filesWith(names: readonly Finding[]): Set<string> {
    return new Set(names.flatMap((name) => this.of(name).map(({ file }) => file)));
  }

  /** How many files have each finding. */
  get counts(): FindingCounts {
    return Object.fromEntries(findingNames.map((name) => [name, this.of(name).length]));
  }

  of(name: Finding): readonly Found[] {
    return this.found.get(name) as Found[];
  }

  /** The shorter side that this share of the pictures does not have. */
  shorterSide(share: number): number {
    let before = 0;
    const sides = [...this.#shorterSides].sort(([a], [b]) => a - b);
    for (const [side, pictures] of sides) {
      before += pictures;
      if (before > share * this.#pictures) return side;
    }
    return sides.at(-1)?.[0] ?? 0;
  }

  /** How many have a shorter side below it. */
  smallerThan(side: number): number {
    let sum = 0;
    for (const [own, pictures] of this.#shorterSides) if (own < side) sum += pictures;
    return sum;
  }

  /** Whether left and right differ in the mean of the pictures by more than chance. */
  get isSided(): boolean {
    return this.#mean.isSided;
  }

  #find(name: Finding, found: Found): void {
    (this.found.get(name) as Found[]).push(found);
  }
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function shapeOf(width: number, height: number): string {
  const ratio = width / height;
  if (ratio > 2.5) return "panoramas";
  if (ratio < 1 / 2.5) return "strips";
  if (ratio > 1.05) return "wide";
  return ratio < 1 / 1.05 ? "tall" : "square";
}

/** In levels of 255: a smaller difference of left and right is hardly seen. */
const seenDifference = 6;
/** And it must be so many times what as many pictures without sides would have by chance. */
const overChance = 3;

class MeanPicture {
  readonly #sums = new Float64Array(cellsAlong ** 2 * 3);
  readonly #squares = new Float64Array(cellsAlong ** 2 * 3);
  #count = 0;

  add(cells: Uint8Array): void {
    this.#count++;
    for (let i = 0; i < cells.length; i++) {
      (this.#sums[i] as number) += cells[i] as number;
      (this.#squares[i] as number) += (cells[i] as number) ** 2;
    }
  }

  get isSided(): boolean {
    const n = this.#count;
    if (n < 2) return false;
    let [differences, variances] = [0, 0];
    for (let i = 0; i < this.#sums.length; i++) {
      const [cell, channel] = [Math.floor(i / 3), i % 3];
      const opposite = (cell - (cell % cellsAlong) + (cellsAlong - 1 - (cell % cellsAlong))) * 3 + channel;
      const mean = (this.#sums[i] as number) / n;
      differences += (mean - (this.#sums[opposite] as number) / n) ** 2;
      variances += (this.#squares[i] as number) / n - mean ** 2;
    }
    const difference = Math.sqrt(differences / this.#sums.length);
    // Of two means of n each, as if left and right of a picture had nothing to do with each other.
    const chance = Math.sqrt((2 * variances) / this.#sums.length / n);
    return difference > seenDifference && difference > overChance * chance;
  }
}
