// Random numbers of our own, the same on any machine: libtorch's generators belong to training alone.

/** The next number in [0, 1). */
export type Random = () => number;

/**
 * A small random generator, sfc32 of PractRand (Doty-Humphrey, public domain): 128 bits of state, of which 64 are
 * the seed and 32 the stream. Its numbers depend on nothing but the two, on any machine.
 *
 * @param seed any safe integer
 * @param stream which of the seed's independent sequences, an integer from 0 to 2^32 - 1
 * @returns a function that gives the next number in [0, 1)
 */
export function createRandom(seed: number, stream: number): Random {
  let a = seed | 0;
  let b = Math.floor(seed / 2 ** 32) | 0;
  let c = stream | 0;
  let counter = 1;

  function next(): number {
    const result = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + result;
    return (result >>> 0) / 2 ** 32;
  }

  for (let i = 0; i < 15; i++) next(); // neighbouring seeds start out alike
  return next;
}

/** The numbers from 0 to `length - 1` in random order (Fisher-Yates); the arguments are `createRandom`'s. */
export function permutation(length: number, seed: number, stream: number): Uint32Array {
  const random = createRandom(seed, stream);
  const items = Uint32Array.from({ length }, (_, index) => index);
  for (let last = length - 1; last > 0; last--) {
    const chosen = Math.floor(random() * (last + 1));
    const item = items[last]!;
    items[last] = items[chosen]!;
    items[chosen] = item;
  }
  return items;
}

/** A sample of N(0, 1) by the transform of Box and Muller (1958). */
export function gaussian(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
