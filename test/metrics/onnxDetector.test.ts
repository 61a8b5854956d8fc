import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openDetector } from "../../src/metrics/openDetector.js";
import { UserError } from "../../src/system/errors.js";
import { scope } from "../../src/torch/scope.js";
import { tensor } from "../../src/torch/tensor.js";
import { expectClose } from "../helpers.js";
import { tinyFeatures, tinyOnnxDetector, type Variant } from "./tinyOnnxDetector.js";

const folder = mkdtempSync(join(tmpdir(), "stylegan-onnx-detector-"));
afterAll(() => rmSync(folder, { recursive: true }));

const pictures = () =>
  tensor(
    Uint8Array.from({ length: 2 * 3 * 16 * 16 }, (_, i) => (i * 37) % 256),
    [2, 3, 16, 16],
    "uint8",
  );

function open(variant: Variant) {
  const file = join(folder, "features.onnx");
  writeFileSync(file, tinyOnnxDetector(variant));
  return openDetector("own", file, "cpu");
}

describe("a detector in ONNX", () => {
  it.each([
    { what: "one output", variant: { outputs: ["anything"] } },
    { what: "several", variant: { outputs: ["other", "features"] } },
  ])("with $what gives what our own operators give of the pictures", async ({ variant }) => {
    const detector = await open(variant);
    const x = pictures();
    const found = await detector.run(x, "features");
    scope(() => expectClose(found, tinyFeatures(x), 1e-5));
    for (const owned of [detector, x, found]) owned.dispose();
  });

  it.each<[string, RegExp, Variant]>([
    [
      "another shape",
      /gave .*\[2, 6, 1, 1\].* as features of 2 pictures, where \[2, features\]/,
      { unflat: true },
    ],
    ["no features", /has no output features, only lpips, other/, { outputs: ["lpips", "other"] }],
    ["no numbers", /not finite numbers/, { bias: Number.NaN }],
  ])("that gives %s is refused in one line", async (_, pattern, variant) => {
    const detector = await open(variant);
    const x = pictures();
    const failure = await detector.run(x, "features").catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UserError);
    expect((failure as Error).message).toMatch(pattern);
    expect((failure as Error).message).not.toContain("\n");
    for (const owned of [detector, x]) owned.dispose();
  });

  it("that is cut off is refused in one line", async () => {
    const file = join(folder, "cut.onnx");
    writeFileSync(file, tinyOnnxDetector().subarray(0, 300));
    await expect(openDetector("own", file, "cpu")).rejects.toThrow(
      /^.*cut\.onnx is no ONNX model, or is damaged.*$/,
    );
  });
});
