// stylegan export

import { join } from "node:path";
import { type Command, Option } from "commander";
import { exportOnnx } from "../interop/onnx/export.js";
import { writeOnnx } from "../interop/onnx/files.js";
import { type Precision, precisions } from "../interop/onnx/graph.js";
import { writePage } from "../interop/onnx/page.js";
import { packageVersion } from "../system/packageRoot.js";
import { networkOption, openGenerator } from "./networkOptions.js";
import { makeOutputFolder } from "./outputFolder.js";
import { oneOf } from "./values.js";

const formats = ["onnx", "web"] as const;

interface ExportOptions {
  network: string;
  format: (typeof formats)[number];
  precision: Precision;
}

const help = `
onnx writes three files:
  mapping.onnx    z [N, zDim], for networks with classes c [N, cDim] (one-hot), truncation_psi [layers] (1: none)
                  to ws [N, layers, wDim]. ProGAN, which has no w, has no truncation_psi.
  synthesis.onnx  ws, noise (1: the stored maps, 0: none) to image [N, 3, H, W], RGB in about [-1, 1].
                  ProGAN has no noise.
  model.json      sizes and names of classes, for a program that runs them.
For a style mix, take the ws of some layers from another sample.

web writes a page that explores the generator in the visitor's browser (WebGPU or WebAssembly). Put the folder on any
static host; to try it:
  python3 -m http.server --directory site

Examples:
  stylegan export --network runs/00000-emoji-smileys-stylegan2-small-32 --format onnx model
  stylegan export --network runs/00000-emoji-smileys-stylegan2-small-32 --format web site
`;

export function addExport(program: Command): void {
  program
    .command("export")
    .summary("write a generator as ONNX, or as a web page")
    .description("Writes a generator in a form that runs without this program, to a folder.")
    .argument("<folder>", "where the files go")
    .addOption(networkOption())
    .addOption(
      new Option("--format <name>", formats.join(", ")).argParser(oneOf(formats)).makeOptionMandatory(),
    )
    .addOption(
      new Option("--precision <type>", `${precisions.join(" or ")} (smaller files) for weights and layers`)
        .argParser(oneOf(precisions))
        .default("float32"),
    )
    .addHelpText("after", help)
    .action(run);
}

function run(folder: string, { network, format, precision }: ExportOptions): void {
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
