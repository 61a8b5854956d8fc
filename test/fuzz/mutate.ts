// Files that are almost what they should be.

/** Values at the edges of what formats count with. */
const edges = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/** A copy of `bytes` with one to four mutations; `other` is where spliced bytes come from. */
export function mutate(bytes: Buffer, other: Buffer, next: () => number): Buffer {
  let mutated: Buffer = Buffer.from(bytes);
  for (let count = 1 + Math.floor(next() * 4); count > 0; count--) mutated = mutateOnce(mutated, other, next);
  return mutated;
}

function mutateOnce(bytes: Buffer, other: Buffer, next: () => number): Buffer {
  const below = (limit: number) => Math.floor(next() * limit);
  // Headers and directories are at the ends; half of the mutations go there.
  const place = () => {
    const near = Math.min(256, bytes.length);
    const kind = below(4);
    if (kind === 0) return below(near);
    return kind === 1 ? bytes.length - 1 - below(near) : below(bytes.length);
  };
  if (bytes.length < 8) return Buffer.from(other);
  const at = Math.max(place(), 0);
  switch (below(8)) {
    case 0: // one bit
      bytes[at] = (bytes[at] as number) ^ (1 << below(8));
      return bytes;
    case 1: // one byte
      bytes[at] = below(256);
      return bytes;
    case 2: // a number
      bytes.writeUInt32LE(edges[below(edges.length)] as number, Math.min(at, bytes.length - 4));
      return bytes;
    case 3: // not all of it
      return bytes.subarray(0, at);
    case 4: // some of it missing
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(64))]);
    case 5: {
      // some of it twice
      const end = Math.min(at + 1 + below(64), bytes.length);
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
    }
    case 6: {
      // a piece of another
      const from = below(other.length);
      const piece = other.subarray(from, from + 1 + below(64));
      return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + piece.length)]);
    }
    default: {
      // a digit, where there is text
      const start = bytes.subarray(at).findIndex((byte) => byte >= 0x30 && byte <= 0x39);
      if (start >= 0) bytes[at + start] = 0x30 + below(10);
      return bytes;
    }
  }
}
