// Exported models as files of a folder.

import { join } from "node:path";
import { type ModelFile, modelFormat } from "../../protocol/model.js";
import { writeFileAtomically } from "../../system/atomicFile.js";
import type { OnnxModels } from "./export.js";

/**
 * Writes mapping.onnx, synthesis.onnx and, last, model.json, which describes them.
 * @returns the names of the files
 * @throws UserError when one cannot be written
 */
export function writeOnnx(folder: string, { mapping, synthesis, description }: OnnxModels): string[] {
  const about: ModelFile = {
    format: modelFormat,
    ...description,
    mapping: "mapping.onnx",
    synthesis: "synthesis.onnx",
  };
  writeFileAtomically(join(folder, about.mapping), mapping);
  writeFileAtomically(join(folder, about.synthesis), synthesis);
  writeFileAtomically(join(folder, "model.json"), `${JSON.stringify(about, null, 1)}\n`);
  return [about.mapping, about.synthesis, "model.json"];
}
