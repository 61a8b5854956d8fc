import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { decodeModel } from "../../src/interop/onnx/schema.js";
import { expectSuccess, expectUserError, runName, Workspace, writePictures } from "./helpers.js";

let work: Workspace;
beforeAll(async () => {
  work = new Workspace();
  await writePictures(work.path("data"), 8);
  expectSuccess(await work.train("runs", "--kimg", "0.004").done);
});
afterAll(() => work.dispose());

const exported = (...args: string[]) => work.run("export", "--network", `runs/${runName}`, ...args);

it("writes a run's latest generator as two ONNX models and their description", async () => {
  const finished = await exported("--format", "onnx", "--precision", "float16", "deep/model");
  expectSuccess(finished);
  expect(finished.stdout).toBe("mapping.onnx, synthesis.onnx, model.json in deep/model\n");
  const read = (name: string) => readFileSync(work.path("deep/model", name));
  const about = JSON.parse(read("model.json").toString());
  expect(about).toMatchObject({ architecture: "stylegan2", resolution: 8, numWs: 4, precision: "float16" });
  expect(decodeModel(read(about.mapping)).graph.output.map(({ name }) => name)).toEqual(["ws"]);
  expect(decodeModel(read(about.synthesis)).graph.output.map(({ name }) => name)).toEqual(["image"]);
});

it("says on one line what is wrong, and writes nothing", async () => {
  writeFileSync(work.path("file"), "");
  expectUserError(
    await exported("--format", "onnx", "file"),
    /folder file: a file of that name is in the way/,
  );
  expectUserError(await exported("--format", "onnx"), /missing required argument 'folder'/);
  expectUserError(await exported("--format", "tflite", "model"), /"tflite" is none of onnx/);
  expect(existsSync(work.path("model"))).toBe(false);
});
