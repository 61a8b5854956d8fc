// Everything that reads a file, or a request, that others may have made: with whole examples to mutate.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { zipSync } from "fflate";
import sharp from "sharp";
import { readClasses } from "../../src/data/classes.js";
import { prepareImage } from "../../src/data/prepareImage.js";
import { openZip } from "../../src/data/zip.js";
import { openSnapshot } from "../../src/interop/openSnapshot.js";
import { createDiscriminator } from "../../src/networks/registry.js";
import { disposeAll, writeSnapshot } from "../../src/networks/snapshot.js";
import { readNpz } from "../../src/numpy/npz.js";
import { type RunningServer, serve } from "../../src/server/server.js";
import { readDirections, writeDirections } from "../../src/synthesis/directionFile.js";
import { findDirections } from "../../src/synthesis/directions.js";
import { readSafetensors } from "../../src/torch/safetensors.js";
import type { Tensor } from "../../src/torch/tensor.js";
import { readSettingChanges, readTrainingState, writeTrainingState } from "../../src/training/checkpoint.js";
import { ControlFile } from "../../src/training/control.js";
import { Progress } from "../../src/training/progress.js";
import { RunDirectory } from "../../src/training/runDirectory.js";
import { Trainer } from "../../src/training/trainer.js";
import { fixturePath } from "../helpers.js";
import { describeTiny, tinyGenerator } from "../synthesis/tiny.js";
import { tinyConfig } from "../training/tiny.js";

export interface Reader {
  name: string;
  /** Whole examples. */
  seeds: Buffer[];
  /** Reads all of it, from `file`, which holds `bytes`. @throws UserError when it is not what it should be */
  read(file: string, bytes: Buffer): unknown;
  /** Errors that are answers too, for readers whose callers say which file it was. */
  refuses?: (error: Error) => boolean;
}

function checkFinite(tensors: ReadonlyMap<string, Tensor>): void {
  for (const [name, tensor] of tensors)
    if (!tensor.allFinite()) throw new Error(`accepted, and ${name} is not finite`);
}

function readNetworks(file: string): void {
  const snapshot = openSnapshot(file);
  try {
    const tensors = snapshot.read(["G_ema", "G", "D"]);
    try {
      checkFinite(tensors);
    } finally {
      disposeAll(tensors);
    }
  } finally {
    snapshot.close();
  }
}

/** All of them; `folder` is for examples that have to be written first. */
export async function makeReaders(folder: string): Promise<{ readers: Reader[]; close(): Promise<void> }> {
  const fixture = (name: string) => readFileSync(fixturePath(name));
  const made = (name: string, write: (file: string) => void) => {
    const file = join(folder, name);
    write(file);
    return readFileSync(file);
  };
  const description = describeTiny("stylegan2");
  const G = tinyGenerator("stylegan2");
  const D = createDiscriminator(description);
  const trainer = new Trainer(tinyConfig(), { device: "cpu", labels: [] });
  const parts = { ...trainer.stateful, progress: new Progress() };
  const snapshot = made("snapshot.safetensors", (file) =>
    writeSnapshot(file, { G_ema: G, D }, { description, curNimg: 1000, classNames: [] }),
  );
  const png = await sharp({ create: { width: 9, height: 9, channels: 3, background: "teal" } })
    .png()
    .toBuffer();
  const pictures = await Promise.all(
    (["png", "jpeg", "webp", "gif", "tiff"] as const).map((format) => sharp(png).toFormat(format).toBuffer()),
  );
  const svg = Buffer.from(
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9"><g id="a"><rect width="3" height="3"/></g><use xlink:href="#a" x="3"/></svg>',
  );
  const labels = Buffer.from(
    JSON.stringify({
      labels: [
        ["a/0.png", 0],
        ["a/1.png", 1],
      ],
    }),
  );
  const zip = Buffer.from(zipSync({ "a/0.png": png, "a/1.png": png, "dataset.json": labels }));
  const runFolder = join(folder, "00000-a");
  mkdirSync(runFolder);
  const server = await serve({ folder, port: 0 });

  const readers: Reader[] = [
    { name: "pickles", seeds: [fixture("nvidia-stylegan2.pkl").subarray(0, 60_000)], read: readNetworks },
    { name: "whole pickles", seeds: [fixture("nvidia-stylegan2.pkl")], read: readNetworks },
    { name: "checkpoints", seeds: [fixture("stylegan2-port.pt")], read: readNetworks },
    { name: "other weights", seeds: [fixture("labml-minimal.weights.safetensors")], read: readNetworks },
    { name: "snapshots", seeds: [snapshot], read: readNetworks },
    {
      name: "safetensors",
      // Without digests: they would find almost everything first.
      seeds: [withoutDigests(snapshot)],
      read: (file) => disposeAll(readSafetensors(file).tensors),
    },
    { name: "networks without digests", seeds: [withoutDigests(snapshot)], read: readNetworks },
    {
      name: "training states",
      seeds: [made("state", (file) => writeTrainingState(file, parts))].flatMap((state) => [
        state,
        withoutDigests(state),
      ]),
      read: (file) => {
        readSettingChanges(file);
        readTrainingState(file, parts);
        checkFinite(trainer.G.stateDict());
      },
    },
    {
      name: "zips of pictures",
      seeds: [zip],
      read: async (file) => {
        const source = await openZip(file);
        try {
          for (const image of source.images)
            await prepareImage(await image.read(), { resolution: 8, background: "white" }).catch(() => {});
          await readClasses(
            source,
            source.images.map(({ path }) => path),
          );
        } finally {
          await source.close();
        }
      },
      refuses: isOneLine,
    },
    {
      name: "npz",
      seeds: [fixture("numpy-savez.npz"), fixture("numpy-savez-compressed.npz")],
      read: readNpz,
    },
    {
      name: "directions",
      seeds: [made("directions.npz", (file) => writeDirections(file, findDirections(G, { count: 2 })))],
      read: (file) => {
        const directions = readDirections(file, G);
        for (const { name, vector } of directions)
          if (!vector.every(Number.isFinite)) throw new Error(`accepted, and ${name} is not finite`);
      },
    },
    {
      name: "pictures",
      seeds: [...pictures, svg],
      read: (_, bytes) => prepareImage(bytes, { resolution: 8, background: "white" }),
      refuses: isOneLine, // the data set's index has the reason beside the file's name
    },
    {
      name: "options of runs",
      seeds: [Buffer.from(JSON.stringify(tinyConfig()))],
      read: (_, bytes) => {
        writeFileSync(join(runFolder, "training_options.json"), bytes);
        writeFileSync(join(runFolder, "training-state.safetensors"), "");
        return RunDirectory.open(runFolder).readOptions();
      },
    },
    {
      name: "commands to runs",
      seeds: [
        Buffer.from('{"id":"1","command":"set","settings":{"gamma":1}}\n{"id":"2","command":"pause"}\n'),
      ],
      read: (file, bytes) => {
        const control = new ControlFile(file);
        writeFileSync(file, bytes);
        return control.poll();
      },
    },
    {
      name: "statistics, as the server reads them",
      seeds: [
        Buffer.from(
          '{"nimg":8,"tick":1,"secPerKimg":1.5,"totalSeconds":2,"memoryMb":100,"timestamp":1,"Loss/G":0.5}\n{"nimg":8,"event":"paused","timestamp":1,"id":"x"}\n',
        ),
      ],
      read: async (_, bytes) => {
        writeFileSync(join(runFolder, "stats.jsonl"), bytes);
        writeFileSync(join(runFolder, "training_options.json"), JSON.stringify(tinyConfig()));
        const status = await ask(server, "/api/runs/00000-a/history");
        if (status >= 500) throw new Error(`the server answered ${status}`);
      },
    },
    {
      name: "requests",
      seeds: [
        "GET /api/runs HTTP/1.1\r\nhost: localhost\r\n\r\n",
        'POST /api/runs/00000-a/control HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 30\r\n\r\n{"id":"1","command":"pause"}  ',
        "GET /api/runs/00000-a/files/reals.png HTTP/1.1\r\nhost: localhost\r\nrange: bytes=0-10\r\n\r\n",
      ].map((text) => Buffer.from(text)),
      read: (_, bytes) => send(server, bytes),
    },
  ];
  return {
    readers,
    close: async () => {
      for (const network of [G, D, trainer]) network.dispose();
      await server.close();
    },
  };
}

const isOneLine = ({ message }: Error) => !/\n\s+at /.test(message);

/** The same file as other programs write it. */
function withoutDigests(bytes: Buffer): Buffer {
  const length = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + length));
  delete header.__metadata__.crc32;
  const json = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([size, json, bytes.subarray(8 + length)]);
}

function ask({ url }: RunningServer, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ port: new URL(url).port, host: "127.0.0.1", path }, (response) =>
      response.resume().on("end", () => resolve(response.statusCode ?? 0)),
    )
      .on("error", reject)
      .end();
  });
}

/** What the server says to those bytes; it may close without a word. @throws when it has failed by its own account */
function send({ url }: RunningServer, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    // A request that is not whole is waited for, up to the deadline that test/server/strangers.test.ts holds.
    socket.setTimeout(50, () => socket.destroy());
    socket.on("data", (data) => {
      answer += data;
      if (answer.includes("\r\n\r\n")) socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      if (/^HTTP\/1\.1 5(?!03|01|05)/.test(answer)) reject(new Error(answer.slice(0, 200)));
      else resolve();
    });
    socket.end(bytes);
  });
}
