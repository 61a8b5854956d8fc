// stylegan export

import { type Command, Option } from "commander";
import { type Precision, precisions } from "../interop/onnx/precision.js";
import { networkOption } from "./networkOptions.js";
import { oneOf } from "./values.js";
import { whenRun } from "./whenRun.js";

const formats = ["onnx", "web"] as const;

export interface ExportOptions {
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
    .action(whenRun(() => import("./actions/export.js")));
}
