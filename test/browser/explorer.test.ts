// The exported page in a browser: its pictures against `generate`'s, its controls, and what goes wrong.

import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadGenerator } from "../../src/interop/openSnapshot.js";
import type { Generator, NoiseMode, TruncationOptions } from "../../src/networks/network.js";
import {
  createDiscriminator,
  createGenerator,
  type NetworkDescription,
} from "../../src/networks/registry.js";
import { writeSnapshot } from "../../src/networks/snapshot.js";
import { classRows, latentsOfSeeds } from "../../src/synthesis/latents.js";
import { toPictures } from "../../src/synthesis/render.js";
import { noGrad } from "../../src/torch/autograd.js";
import { cat } from "../../src/torch/ops.js";
import { manualSeed, randn } from "../../src/torch/random.js";
import { scope } from "../../src/torch/scope.js";
import { expectSuccess, expectUserError, Workspace } from "../cli/helpers.js";
import { nvidiaFixtureConfig } from "../helpers.js";
import { serveFolder, useBrowser } from "./helpers.js";
import { faintTexts, overflow } from "./readability.js";

const conditional: NetworkDescription = {
  architecture: "stylegan2",
  config: { ...nvidiaFixtureConfig, zDim: 16, wDim: 16, cDim: 3, mappingLrMultiplier: 1 },
};
const progan: NetworkDescription = {
  architecture: "progan",
  config: {
    ...{ resolution: 8, zDim: 8, cDim: 0, channelBase: 64, channelMax: 8 },
    ...{ mbstdGroupSize: 4, mbstdNumFeatures: 1, fromRgbActivation: "lrelu" },
  },
};

const open = useBrowser();
let work: Workspace;
beforeAll(async () => {
  work = new Workspace();
  makeSnapshot("conditional.safetensors", conditional, ["cat", "dog", "owl"]);
  makeSnapshot("progan.safetensors", progan, []);
  for (const name of ["conditional", "progan"]) {
    const options = ["--network", `${name}.safetensors`, "--format", "web", `${name}-site`];
    expectSuccess(await work.run("export", ...options));
  }
});
afterAll(() => work.dispose());

/** A network in which everything has an effect, also what begins at zero. */
function makeSnapshot(name: string, description: NetworkDescription, classNames: string[]): void {
  manualSeed(3);
  const [G, D] = [createGenerator(description), createDiscriminator(description)];
  noGrad(() =>
    scope(() => {
      for (const [entry, tensor] of G.stateDict())
        if (/noise_strength$|w_avg$|bias$/.test(entry)) tensor.detach().add_(randn(tensor.shape).mul(0.3));
    }),
  );
  writeSnapshot(work.path(name), { G, D, G_ema: G }, { description, classNames, curNimg: 0 });
  for (const network of [G, D]) network.dispose();
}

interface Wanted extends TruncationOptions {
  seed?: number;
  classIndex?: number;
  noiseMode?: NoiseMode;
  mix?: { seed: number; layers: readonly number[] };
}

/** What libtorch makes of the same settings, as RGB bytes. */
function expected(options: Wanted): Uint8Array {
  const { seed = 0, classIndex = 0, noiseMode = "const", mix, ...truncation } = options;
  const { G } = loadGenerator(work.path("conditional.safetensors"));
  const wsOf = (G: Generator, one: number) =>
    G.map(latentsOfSeeds([one], G.zDim), classRows([classIndex], G.cDim), truncation);
  const pixels = noGrad(() =>
    scope(() => {
      const own = wsOf(G, seed);
      const other = mix ? wsOf(G, mix.seed) : own;
      const rows = Array.from({ length: G.numWs }, (_, layer) =>
        (mix?.layers.includes(layer) ? other : own).narrow(1, layer, 1),
      );
      return toPictures(G.synthesize(cat(rows, 1), { noiseMode }))[0]!.pixels;
    }),
  );
  G.dispose();
  return pixels;
}

const mainPicture = ".stage canvas";

/** The picture that the page shows, as RGB bytes, once it is the one of the present settings. */
async function shown(page: Page): Promise<Uint8Array> {
  await page.locator(`${mainPicture}[aria-busy=false]`).waitFor();
  const rgba = await page.evaluate<number[]>(
    `(() => { const c = document.querySelector("${mainPicture}"); return [...c.getContext("2d").getImageData(0, 0, c.width, c.height).data]; })()`,
  );
  return Uint8Array.from(rgba.filter((_, i) => i % 4 !== 3));
}

function largestDifference(a: Uint8Array, b: Uint8Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - (b[i] as number))), 0);
}

const levels = 2;

/** Opens the page; a picture is there. */
async function explore(site: string, path = "/?backend=wasm", options = {}) {
  const opened = await open((await serveFolder(work.path(site))) + path, options);
  await opened.page.locator(mainPicture).waitFor();
  return opened;
}

describe("an exported page", () => {
  it("shows seed 0 as generate makes it, offline, with nothing from another host", async () => {
    const args = [
      "--network",
      "conditional.safetensors",
      "--seeds",
      "0",
      "--class",
      "cat",
      "--outdir",
      "out",
    ];
    expectSuccess(await work.run("generate", ...args));
    const { page, foreignRequests, errors } = await explore("conditional-site", "/");
    const file = await sharp(work.path("out", "seed0000.png")).removeAlpha().raw().toBuffer();
    expect(largestDifference(await shown(page), file)).toBeLessThanOrEqual(levels);
    await page.locator(".gallery canvas[aria-busy=false]").nth(11).waitFor();
    expect(foreignRequests).toEqual([]);
    expect(errors).toEqual([]);
  });

  it("follows every control", async () => {
    const { page } = await explore("conditional-site");
    let before = await shown(page);
    const expectPicture = async (wanted: Wanted) => {
      const now = await shown(page);
      expect(largestDifference(now, expected(wanted))).toBeLessThanOrEqual(levels);
      expect(largestDifference(now, before)).toBeGreaterThan(10);
      before = now;
    };
    await page.getByLabel("Seed", { exact: true }).fill("5");
    await expectPicture({ seed: 5 });
    await page.getByRole("button", { name: "Seed 7" }).click();
    await expectPicture({ seed: 7 });
    await page.getByRole("combobox", { name: "Class" }).selectOption("owl");
    await expectPicture({ seed: 7, classIndex: 2 });
    await page.getByRole("slider", { name: "Truncation" }).fill("0.5");
    await expectPicture({ seed: 7, classIndex: 2, truncationPsi: 0.5 });
    await page.getByRole("checkbox", { name: /^Noise/ }).uncheck();
    const settings: Wanted = { seed: 7, classIndex: 2, truncationPsi: 0.5, noiseMode: "none" };
    await expectPicture(settings);
    await page.getByLabel("Other seed", { exact: true }).fill("9");
    await page.getByRole("checkbox", { name: "4", exact: true }).check();
    await page.getByRole("checkbox", { name: "6", exact: true }).check();
    await expectPicture({ ...settings, mix: { seed: 9, layers: [3, 5] } });

    // The address now leads to the same picture.
    const again = await open(page.url());
    expect(largestDifference(await shown(again.page), before)).toBe(0);

    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save picture" }).click();
    expect((await download).suggestedFilename()).toBe("seed0007.png");
    const saved = await sharp(await (await download).path())
      .removeAlpha()
      .raw()
      .toBuffer();
    expect(largestDifference(saved, before)).toBe(0);
  });

  it("is worked with the keyboard alone", async () => {
    const { page } = await explore("conditional-site");
    const first = await shown(page);
    const focused = () =>
      page.evaluate<string>("document.activeElement.name || document.activeElement.ariaLabel");
    const order: string[] = [];
    for (let i = 0; i < 6; i++) {
      await page.keyboard.press("Tab");
      order.push(await focused());
    }
    expect(order).toEqual(["seed", "Seed: one more", "Seed: random", "class", "truncation", "noise"]);
    await page.keyboard.press("Space");
    expect(largestDifference(await shown(page), expected({ noiseMode: "none" }))).toBeLessThanOrEqual(levels);
    await page.keyboard.press("Space");
    expect(largestDifference(await shown(page), first)).toBe(0);
    await page.getByLabel("Seed", { exact: true }).focus();
    await page.keyboard.press("ArrowUp");
    expect(largestDifference(await shown(page), expected({ seed: 1 }))).toBeLessThanOrEqual(levels);
  });

  it("has no controls for what its network does not have", async () => {
    const { page } = await explore("progan-site");
    expect((await shown(page)).length).toBe(8 * 8 * 3);
    for (const label of ["Truncation", "Noise", "Class", "Other seed"])
      expect(await page.getByLabel(label, { exact: false }).count()).toBe(0);
    await page.getByRole("button", { name: "Seed: one more" }).click();
    await page.getByRole("button", { name: "Seed: one less" }).waitFor({ state: "visible" });
    expect(await page.getByLabel("Seed", { exact: true }).inputValue()).toBe("1");
  });

  it.each([360, 3840])("fits into a window of %d pixels", async (width) => {
    const { page } = await explore("conditional-site", "/", { viewport: { width, height: 800 } });
    await shown(page);
    expect(await overflow(page)).toBe(0);
  });

  it.each(["light", "dark"] as const)("can be read, %s", async (colorScheme) => {
    const { page } = await explore("conditional-site", "/", { colorScheme });
    await shown(page);
    expect(await faintTexts(page)).toEqual([]);
  });
});

describe("what goes wrong is said on the page", () => {
  const isWasm = (path: string) => path.endsWith(".wasm");

  it("a file that does not come, until it does", async () => {
    let isDown = true;
    const address = await serveFolder(work.path("conditional-site"), (path) =>
      isDown && isWasm(path) ? { status: 503, body: "" } : undefined,
    );
    const { page } = await open(`${address}/`);
    expect(await page.getByRole("alert").textContent()).toMatch(
      /\.wasm could not be loaded: the server answered 503/,
    );
    isDown = false;
    await page.getByRole("button", { name: "Try again" }).click();
    expect(largestDifference(await shown(page), expected({}))).toBeLessThanOrEqual(levels);
  });

  it("an engine that does not start", async () => {
    const address = await serveFolder(work.path("conditional-site"), (path) =>
      isWasm(path) ? { status: 200, body: "not WebAssembly" } : undefined,
    );
    const { page } = await open(`${address}/?backend=wasm`);
    expect(await page.getByRole("alert").textContent()).toMatch(/^The generator could not be started: /);
  });
});

it("another page's folder is left alone", async () => {
  rmSync(join(work.path("progan-site"), "model"), { recursive: true });
  const args = ["--network", "progan.safetensors", "--format", "web", "progan-site"];
  expectUserError(await work.run("export", ...args), /progan-site holds another page/);
});
