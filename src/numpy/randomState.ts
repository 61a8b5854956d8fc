// NumPy's legacy random generator, so that a seed means the same picture as in NVIDIA's tools.
// Matsumoto and Nishimura, "Mersenne Twister" (1998); Marsaglia's polar method for the normal distribution.

/** The largest seed that NumPy's generator takes. */
export const maxSeed = 0xffffffff;

const size = 624;
const shift = 397;

/** `numpy.random.RandomState(seed)`, as far as `randn` needs it. */
export class RandomState {
  readonly #state = new Uint32Array(size);
  #index = size;
  #spare: number | undefined;

  /** @param seed a whole number from 0 to 2³² - 1, as NumPy demands */
  constructor(seed: number) {
    if (!Number.isInteger(seed) || seed < 0 || seed > maxSeed)
      throw new RangeError(`seed ${seed} is not a whole number from 0 to 4294967295`);
    const state = this.#state;
    state[0] = seed;
    for (let i = 1; i < size; i++) {
      const previous = state[i - 1] as number;
      state[i] = Math.imul(previous ^ (previous >>> 30), 1812433253) + i;
    }
  }

  /** `count` samples of N(0, 1), in NumPy's order. */
  randn(count: number): Float64Array {
    return Float64Array.from({ length: count }, () => this.#gauss());
  }

  #gauss(): number {
    if (this.#spare !== undefined) {
      const value = this.#spare;
      this.#spare = undefined;
      return value;
    }
    let x1: number;
    let x2: number;
    let r2: number;
    do {
      x1 = 2 * this.#double() - 1;
      x2 = 2 * this.#double() - 1;
      r2 = x1 * x1 + x2 * x2;
    } while (r2 >= 1 || r2 === 0);
    const factor = Math.sqrt((-2 * Math.log(r2)) / r2);
    this.#spare = factor * x1;
    return factor * x2;
  }

  /** 53 random bits as a number in [0, 1). */
  #double(): number {
    const a = this.#uint32() >>> 5;
    const b = this.#uint32() >>> 6;
    return (a * 67108864 + b) / 9007199254740992;
  }

  #uint32(): number {
    if (this.#index === size) this.#twist();
    let y = this.#state[this.#index++] as number;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < size; i++) {
      const y = ((state[i] as number) & 0x80000000) | ((state[(i + 1) % size] as number) & 0x7fffffff);
      const mixed = (state[(i + shift) % size] as number) ^ (y >>> 1);
      state[i] = y & 1 ? mixed ^ 0x9908b0df : mixed;
    }
    this.#index = 0;
  }
}
