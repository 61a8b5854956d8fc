import zlib from "node:zlib";
import { describe, expect, it } from "vitest";
import { crc32, crc32Text, portableCrc32 } from "../../src/system/crc32.js";
import { numbers } from "../torch/numeric.js";

describe.each([
  ["the one that is used", crc32],
  ["ours, for Node before 20.15", portableCrc32],
])("CRC-32: %s", (_, digest) => {
  it("has the value that the standard gives for its check", () => {
    expect(crc32Text(digest(Buffer.from("123456789")))).toBe("cbf43926");
    expect(crc32Text(digest(Buffer.alloc(0)))).toBe("00000000");
  });

  it("goes on from a part's digest, at any alignment, as gzip's last eight bytes say", () => {
    const next = numbers(3);
    const bytes = Buffer.from(Array.from({ length: 3000 }, () => Math.floor(next() * 256)));
    for (let length = 0; length < 60; length++) {
      const start = Math.floor(next() * 2000);
      const part = bytes.subarray(start, start + length);
      const wanted = zlib.gzipSync(part).readUInt32LE(zlib.gzipSync(part).length - 8);
      const cut = Math.floor(next() * length);
      expect(digest(part)).toBe(wanted);
      expect(digest(part.subarray(cut), digest(part.subarray(0, cut)))).toBe(wanted);
    }
  });
});
