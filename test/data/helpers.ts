import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp, { type Sharp } from "sharp";
import { afterEach, beforeEach } from "vitest";
import { type Dataset, type DatasetOptions, openDataset } from "../../src/data/dataset.js";
import { crc32 } from "../../src/system/crc32.js";
import { permutation } from "../../src/system/random.js";

export type Pixel = [red: number, green: number, blue: number];

/** A fresh folder per test, with a `data` folder for sources and a `cache` folder; closes what was opened in it. */
export function useWorkspace() {
  let root = "";
  let opened: Dataset[] = [];
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "stylegan-data-"));
    await mkdir(join(root, "data"));
  });
  afterEach(async () => {
    for (const dataset of opened) dataset.close();
    opened = [];
    await rm(root, { recursive: true });
  });
  return {
    get data() {
      return join(root, "data");
    },
    get cache() {
      return join(root, "cache");
    },
    path: (name: string) => join(root, name),
    /** Writes a file into `data`, with its folders. */
    async write(name: string, content: Buffer | string): Promise<void> {
      const file = join(root, "data", name);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
    },
    /** Opens `data`, or another source, with the workspace's cache, at 16 pixels unless told otherwise. */
    async open(options: Partial<DatasetOptions> = {}): Promise<Dataset> {
      const defaults = { source: join(root, "data"), resolution: 16, cacheDirectory: join(root, "cache") };
      const dataset = await openDataset({ ...defaults, ...options });
      opened.push(dataset);
      return dataset;
    },
  };
}

/** A plain picture of one colour. */
export function plain(color: string, width = 32, height = width): Sharp {
  return sharp({ create: { width, height, channels: 3, background: color } });
}

/** A picture of random pixels, which compresses badly. */
export function noise(size: number): Sharp {
  return sharp(permutedBytes(size * size * 3), { raw: { width: size, height: size, channels: 3 } });
}

function permutedBytes(length: number): Buffer {
  return Buffer.from(permutation(length, 0, 0).map((item) => item % 256));
}

/** A picture whose left half is red and whose right half is blue. */
export function redBlue(width: number, height: number): Sharp {
  const half = { create: { width: width / 2, height, channels: 3 as const, background: "blue" } };
  return plain("red", width, height).composite([{ input: half, left: width / 2, top: 0 }]);
}

/** All bytes of image `index`. */
export function imageOf(dataset: Dataset, index: number): Uint8Array {
  const pixels = new Uint8Array(dataset.resolution ** 2 * 3);
  dataset.readImage(index, pixels, 0);
  return pixels;
}

/** One pixel of the image called `file`. */
export function pixelOf(dataset: Dataset, file: string, x: number, y: number): Pixel {
  const pixels = imageOf(dataset, dataset.fileNames.indexOf(file));
  const start = (y * dataset.resolution + x) * 3;
  return [pixels[start]!, pixels[start + 1]!, pixels[start + 2]!];
}

/** The largest difference between two pixels' channels. */
export function distance(a: Pixel, b: Pixel): number {
  return Math.max(...a.map((value, channel) => Math.abs(value - b[channel]!)));
}

export interface ZipEntry {
  name: string;
  content: Buffer | string;
  /** Marks `content` as deflated, and claims this size for what comes out. */
  claimedBytes?: number;
  /** What the zip says of its bytes; by default what is true of `content`. */
  crc?: number;
}

/** A zip file of stored entries (or, with a claimed size, of ones that are marked as deflated). Takes any name. */
export function makeZip(entries: readonly ZipEntry[]): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const { name, content, claimedBytes, crc } of entries) {
    const nameBytes = Buffer.from(name);
    const data = Buffer.from(content);
    const fields = Buffer.alloc(26); // what the local and the central header share
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(0x0800, 2); // UTF-8 name
    fields.writeUInt16LE(claimedBytes === undefined ? 0 : 8, 4);
    fields.writeUInt32LE(crc ?? crc32(data), 10);
    fields.writeUInt32LE(data.length, 14);
    fields.writeUInt32LE(claimedBytes ?? data.length, 18);
    fields.writeUInt16LE(nameBytes.length, 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), fields, nameBytes, data]);
    const centralTail = Buffer.alloc(14);
    centralTail.writeUInt32LE(offset, 10);
    centrals.push(Buffer.concat([Buffer.from("PK\x01\x02\x14\x00"), fields, centralTail, nameBytes]));
    locals.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(centrals);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, central, end]);
}
