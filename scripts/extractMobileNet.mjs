// Makes assets/mobileNetV2.safetensors, which the measures in MobileNet's features look through: the first layers of the
// MobileNetV2 in the npm package nsfwjs (MIT), as they are there, a byte for each weight. Its authors tuned a network for
// ImageNet to a task of theirs (GantMan/nsfw_model: Keras's MobileNetV2 with its weights for ImageNet, tuned from block 11 on)
// and kept these layers as they were ("trainable": false), which is checked here.
//
//   npm pack nsfwjs@4.3.0 && tar xzf nsfwjs-4.3.0.tgz && node scripts/extractMobileNet.mjs package

import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The last block whose layers were kept. */
const lastBlock = 10;

const require = createRequire(import.meta.url);
const models = join(resolve(process.argv[2] ?? "package"), "dist", "models", "mobilenet_v2");

/** @typedef {{ name: string, shape: number[], quantization: { min: number, scale: number, dtype: string } }} Weight */
/** @typedef {{ config: { name: string, trainable?: boolean } }} Layer */
/** @type {{ modelTopology: { model_config: { config: { layers: Layer[] } } }, weightsManifest: { paths: string[], weights: Weight[] }[] }} */
const { modelTopology, weightsManifest } = require(join(models, "model.min.js"));
const [{ paths, weights } = { paths: [], weights: [] }] = weightsManifest;
const bytes = Buffer.concat(
  paths.map((path) => Buffer.from(require(join(models, `${path}.min.js`)), "base64")),
);
const layers = new Map(modelTopology.model_config.config.layers.map(({ config }) => [config.name, config]));

/** @param {string} layer */
function isKept(layer) {
  const block = /^block_(\d+)_/.exec(layer)?.[1];
  return (
    /^(Conv1|bn_Conv1|expanded_conv_)/.test(layer) || (block !== undefined && Number(block) <= lastBlock)
  );
}

/** @type {Record<string, unknown>} */
const header = {};
/** @type {Record<string, [number, number]>} */
const quantization = {};
const parts = [];
let start = 0;
let offset = 0;
for (const { name, shape, quantization: how } of weights) {
  const size = shape.reduce((product, n) => product * n, 1);
  const part = bytes.subarray(start, start + size);
  start += size;
  const layer = name.split("/")[0] ?? "";
  if (!isKept(layer)) continue;
  if (layers.get(layer)?.trainable !== false || how.dtype !== "uint8")
    throw new Error(`${name} is not as it is expected`);
  header[name] = { dtype: "U8", shape, data_offsets: [offset, offset + size] };
  quantization[name] = [how.min, how.scale];
  parts.push(part);
  offset += size;
}
if (start !== bytes.length) throw new Error(`${bytes.length} bytes of weights, expected ${start}`);

const metadata = {
  source: "nsfwjs 4.3.0, dist/models/mobilenet_v2: MIT, Copyright (c) 2019 Infinite Red, Inc.",
  quantization: JSON.stringify(quantization),
};
const json = Buffer.from(JSON.stringify({ __metadata__: metadata, ...header }));
const length = Buffer.alloc(8);
length.writeBigUInt64LE(BigInt(json.length));
const file = fileURLToPath(new URL("../assets/mobileNetV2.safetensors", import.meta.url));
writeFileSync(file, Buffer.concat([length, json, ...parts]));
