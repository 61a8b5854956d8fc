// The exported page on WebGPU, here by software that imitates a graphics card: slow, with the same operators. Between
// them the two networks have nearly all operators of the family.

import { afterAll, beforeAll, expect, it } from "vitest";
import { exportOnnx } from "../../src/interop/onnx/export.js";
import { writePage } from "../../src/interop/onnx/page.js";
import { createGenerator, type NetworkDescription } from "../../src/networks/registry.js";
import { manualSeed } from "../../src/torch/random.js";
import { Workspace } from "../cli/helpers.js";
import { nvidiaFixtureConfig } from "../helpers.js";
import { serveFolder, useBrowser } from "./helpers.js";

const software = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"];
const open = useBrowser(...software, "--use-vulkan=swiftshader");

const grown = {
  ...{ resolution: 8, zDim: 8, cDim: 0 as const, channelBase: 64, channelMax: 8 },
  ...{ mbstdGroupSize: 4, mbstdNumFeatures: 1, fromRgbActivation: "lrelu" as const },
};
const mapping = { mappingLayers: 2, mappingLrMultiplier: 1, wAvgBeta: 0.995 };
const networks: NetworkDescription[] = [
  {
    architecture: "stylegan2",
    config: { ...nvidiaFixtureConfig, ...mapping, resolution: 8, zDim: 8, wDim: 8, channelMax: 8 },
  },
  { architecture: "stylegan1", config: { ...grown, ...mapping, wDim: 8 } },
];

let work: Workspace;
beforeAll(() => {
  work = new Workspace();
});
afterAll(() => work.dispose());

it.each(networks)("$architecture: the pictures are those of WebAssembly", async (description) => {
  manualSeed(2);
  const G = createGenerator(description);
  const models = exportOnnx(G, { description, classNames: [], precision: "float32", version: "0" });
  G.dispose();
  const folder = work.path(description.architecture);
  writePage(folder, models);
  const address = await serveFolder(folder);
  const shown = async (backend: string) => {
    const { page } = await open(`${address}/?backend=${backend}`);
    await page.locator(".stage canvas[aria-busy=false], [role=alert]").first().waitFor();
    expect(await page.locator(".facts").textContent()).toContain(
      backend === "webgpu" ? "WebGPU" : "WebAssembly",
    );
    return page.evaluate<number[]>(
      `[...document.querySelector(".stage canvas").getContext("2d").getImageData(0, 0, 8, 8).data]`,
    );
  };
  const [gpu, wasm] = [await shown("webgpu"), await shown("wasm")];
  const difference = gpu.map((value, i) => Math.abs(value - (wasm[i] as number)));
  expect(Math.max(...difference)).toBeLessThanOrEqual(2);
  expect(new Set(gpu).size).toBeGreaterThan(20);
});
