// Which pictures show the same as an earlier one, in a time that hardly grows with the square of their number.

import { cellDistance, cellsOf, hashOf, hashWords, type Raster } from "./fingerprint.js";

/**
 * Of 256 bits of the hash, so many may differ: one of the 16 bands is then equal in 98 of 100 pairs, if the bits have nothing
 * to do with each other.
 */
const mostBits = 24;
/**
 * And the cells' colours by so much, in levels of 255: pictures of one shape in two colours are two pictures. Copies at half
 * the size and JPEG quality 60 were 1 to 10 apart, faces that differ by the mouth alone (emoji) 8 and more.
 */
const mostDistance = 7;

/** Parts of a hash, of 16 bits, by which pictures are found again. */
const bands = hashWords * 2;
const buckets = 2 ** 16;
/** Pictures of one bucket that are compared, the last ones first. Only sets of nearly nothing but alike have more. */
const mostCompared = 2000;

/** Holds about 900 bytes of each picture that is like no earlier one. */
export class NearDuplicates {
  readonly #hashes: Uint32Array[] = [];
  readonly #cells: Uint8Array[] = [];
  readonly #names: string[] = [];
  /** The last picture of each bucket of each band, and of each picture the one before it; -1: none. */
  readonly #last = new Int32Array(bands * buckets).fill(-1);
  readonly #before: Int32Array[] = [];

  /** The name of the earlier picture that this one is like; if there is none, it will be compared to the next ones. */
  add(name: string, raster: Raster): string | undefined {
    const cells = cellsOf(raster);
    const hash = hashOf(cells);
    for (let band = 0; band < bands; band++) {
      let other = this.#last[slotOf(hash, band)] as number;
      for (let compared = 0; other >= 0 && compared < mostCompared; compared++) {
        if (this.#isLike(other, hash, cells)) return this.#names[other];
        other = this.#before[other]?.[band] ?? -1;
      }
    }
    const index = this.#names.length;
    const before = new Int32Array(bands);
    for (let band = 0; band < bands; band++) {
      const slot = slotOf(hash, band);
      before[band] = this.#last[slot] as number;
      this.#last[slot] = index;
    }
    this.#names.push(name);
    this.#hashes.push(hash);
    this.#cells.push(cells);
    this.#before.push(before);
    return undefined;
  }

  #isLike(other: number, hash: Uint32Array, cells: Uint8Array): boolean {
    const known = this.#hashes[other] as Uint32Array;
    let bits = 0;
    for (let word = 0; word < hashWords && bits <= mostBits; word++)
      bits += bitCount((known[word] as number) ^ (hash[word] as number));
    return bits <= mostBits && cellDistance(this.#cells[other] as Uint8Array, cells) <= mostDistance;
  }
}

function slotOf(hash: Uint32Array, band: number): number {
  const word = hash[band >> 1] as number;
  return band * buckets + (band % 2 === 0 ? word & 0xffff : word >>> 16);
}

/** Pairs, nibbles, bytes, then all at once (Warren, "Hacker's Delight", section 5-1). */
function bitCount(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return (((bits + (bits >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}
