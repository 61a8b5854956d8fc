// Detectors from the user's files: a TorchScript network or an ONNX model.

import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../system/errors.js";
import { isDirectory, isFile } from "../system/files.js";
import { noGrad } from "../torch/autograd.js";
import { Script } from "../torch/script.js";
import type { Device, Tensor } from "../torch/tensor.js";
import { asRows, type Detector, type DetectorKind, type DetectorOutput, factsOf } from "./detector.js";
import { MobileNetDetector, mobileNetFile } from "./mobileNet.js";
import { OnnxDetector } from "./onnxDetector.js";

/** Where the user's detectors are: a file, or a folder with files of the published names. */
export class DetectorFiles {
  readonly #path: string | undefined;
  readonly #asked: string;

  /** @param path of `--detector`; without it, the folder in `$STYLEGAN_DETECTORS` */
  constructor(path: string | undefined) {
    this.#path = path ?? (process.env.STYLEGAN_DETECTORS || undefined);
    this.#asked = path === undefined ? "$STYLEGAN_DETECTORS" : "--detector";
  }

  /** The files for all of `kinds`. @throws UserError when one is missing */
  find(kinds: ReadonlySet<DetectorKind>): Map<DetectorKind, string> {
    const wanted = [...kinds].filter((kind) => kind !== "mobilenet").length;
    return new Map(
      [...kinds].map((kind) => [kind, kind === "mobilenet" ? mobileNetFile() : this.#fileOf(kind, wanted)]),
    );
  }

  #fileOf(kind: DetectorKind, kinds: number): string {
    const { stem, source, sha256 } = factsOf(kind);
    const path = this.#path;
    const wanted = source
      ? `get ${source} (SHA-256 ${sha256}) and give it with --detector FILE, or its folder in $STYLEGAN_DETECTORS`
      : "give a TorchScript or ONNX file with --detector FILE";
    if (path === undefined) throw new UserError(`the detector ${stem} is missing: ${wanted}`);
    if (!isDirectory(path)) {
      if (!isFile(path)) throw new UserError(`${this.#asked} ${path}: no such file or folder`);
      if (kinds > 1)
        throw new UserError(
          `${this.#asked} ${path}: these measures need several detectors; give the folder that has them`,
        );
      return path;
    }
    const found = [".pt", ".onnx"].map((ending) => join(path, `${stem}${ending}`)).find(isFile);
    if (found === undefined)
      throw new UserError(`${this.#asked} ${path}: there is no ${stem}.pt or ${stem}.onnx in it; ${wanted}`);
    return found;
  }
}

/** @throws UserError when the file is no detector */
export async function openDetector(kind: DetectorKind, file: string, device: Device): Promise<Detector> {
  const fingerprint = sha256Of(file);
  if (kind === "mobilenet") return new MobileNetDetector(file, { fingerprint, device });
  if (file.endsWith(".onnx")) return OnnxDetector.open(file, fingerprint);
  return new ScriptDetector(Script.load(file, device), { kind, file, fingerprint, device });
}

/** A TorchScript file. */
class ScriptDetector implements Detector {
  readonly file: string;
  readonly fingerprint: string;
  readonly #script: Script;
  readonly #kind: DetectorKind;
  readonly #device: Device;

  constructor(
    script: Script,
    options: { kind: DetectorKind; file: string; fingerprint: string; device: Device },
  ) {
    this.#script = script;
    this.#kind = options.kind;
    this.#device = options.device;
    this.file = options.file;
    this.fingerprint = options.fingerprint;
  }

  async run(pictures: Tensor, output: DetectorOutput): Promise<Tensor> {
    return noGrad(() => {
      const flags = factsOf(this.#kind).outputs[output] ?? {};
      const rows = this.#script.forward(pictures.toDevice(this.#device), flags);
      return asRows(rows, { count: pictures.size(0), file: this.file, output });
    });
  }

  dispose(): void {
    this.#script.dispose();
  }
}

function sha256Of(file: string): string {
  const hash = createHash("sha256");
  const buffer = Buffer.alloc(2 ** 20);
  const descriptor = openSync(file, "r");
  try {
    for (let count = readSync(descriptor, buffer); count > 0; count = readSync(descriptor, buffer))
      hash.update(buffer.subarray(0, count));
  } finally {
    closeSync(descriptor);
  }
  return hash.digest("hex");
}
