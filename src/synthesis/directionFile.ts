// Directions in a file: JSON with one direction to a line, so that they can be renamed in an editor.

import { z } from "zod";
import type { Generator } from "../networks/network.js";
import { writeFileAtomically } from "../system/atomicFile.js";
import { parseBoundedJson } from "../system/boundedJson.js";
import { UserError } from "../system/errors.js";
import { readNamed } from "../system/regularFile.js";
import { checkLayers, type Direction } from "./directions.js";

const format = "stylegan.ts directions 1";

const layerIndex = z.number().int().min(0).max(1000);

const fileSchema = z.strictObject({
  format: z.literal(format),
  wDim: z.number().int().min(1).max(8192),
  directions: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(200),
        layers: z
          .strictObject({ first: layerIndex, last: layerIndex })
          .refine(({ first, last }) => first <= last, "layers run backwards"),
        eigenvalue: z.number().min(0),
        vector: z.array(z.number()).max(8192),
      }),
    )
    .max(8192),
});

/** Larger files are none of ours: all directions of the largest networks take a tenth of it. */
const maxBytes = 2 ** 25;
const bounds = { values: 2 ** 22, depth: 8 };

export function writeDirections(file: string, directions: readonly Direction[]): void {
  const wDim = directions[0]?.vector.length ?? 0;
  const lines = directions.map(({ vector, ...rest }) => JSON.stringify({ ...rest, vector: [...vector] }));
  writeFileAtomically(
    file,
    `{"format":"${format}","wDim":${wDim},"directions":[\n${lines.join(",\n")}\n]}\n`,
  );
}

/** @throws UserError when it is no file of directions, or of another network */
export function readDirections(file: string, G: Generator): Direction[] {
  const { wDim, directions } = parse(file);
  if (wDim !== G.wDim || directions.some(({ vector }) => vector.length !== wDim))
    throw new UserError(
      `${file}: its directions have ${wDim} elements, but this network's w has ${G.wDim}; make them with stylegan directions and this network`,
    );
  const names = directions.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new UserError(`${file}: two directions have the name ${twice}`);
  for (const { layers } of directions) checkLayers(layers, G);
  return directions.map((direction) => ({ ...direction, vector: Float32Array.from(direction.vector) }));
}

function parse(file: string): z.infer<typeof fileSchema> {
  const text = readNamed(file, maxBytes).toString("utf8");
  try {
    return fileSchema.parse(parseBoundedJson(text, bounds));
  } catch {
    throw new UserError(`${file} is no file of directions; make one with stylegan directions`);
  }
}
