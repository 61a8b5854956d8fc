// stylegan export: what it does.

import { join } from "node:path";
import { exportOnnx } from "../../interop/onnx/export.js";
import { writeOnnx } from "../../interop/onnx/files.js";
import { writePage } from "../../interop/onnx/page.js";
import { packageVersion } from "../../system/packageRoot.js";
import type { ExportOptions } from "../export.js";
import { makeOutputFolder } from "../outputFolder.js";
import { openGenerator } from "./openNetwork.js";

export function run(folder: string, { network, format, precision }: ExportOptions): void {
  const { G, info } = openGenerator({ network, device: "cpu" });
  const { description, classNames } = info;
  const models = exportOnnx(G, { description, classNames, precision, version: packageVersion() });
  G.dispose();
  makeOutputFolder(folder, "folder");
  if (format === "onnx") {
    process.stdout.write(`${writeOnnx(folder, models).join(", ")} in ${folder}\n`);
  } else {
    const megabytes = writePage(folder, models) / 1e6;
    process.stdout.write(`${join(folder, "index.html")} and what it needs, ${megabytes.toFixed(0)} MB\n`);
  }
}
