import { mkdirSync, readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serve } from "../../src/server/server.js";
import { expectSuccess, type Running, Workspace, writePictures } from "../cli/helpers.js";
import { addTicks, makeRun, setRunning, TestServer } from "../server/helpers.js";
import { useBrowser } from "./helpers.js";
import { faintTexts, overflow } from "./readability.js";

const open = useBrowser();

/** What of the browser the functions use that run in it. */
interface Drawable {
  naturalWidth: number;
  naturalHeight: number;
}
interface Context {
  drawImage(image: Drawable, x: number, y: number): void;
  getImageData(x: number, y: number, width: number, height: number): { data: Iterable<number> };
}
interface Browser {
  OffscreenCanvas: new (width: number, height: number) => { getContext(kind: "2d"): Context };
}

describe("a live training", () => {
  let work: Workspace;
  let training: Running;
  let url: string;
  beforeAll(async () => {
    work = new Workspace();
    await writePictures(work.path("data"), 40);
    training = work.train("runs", "--serve", "0", "--kimg", "100", "--tick", "0.2", "--snap", "2");
    let stdout = "";
    training.child.stdout?.on("data", (text: string) => {
      stdout += text;
    });
    await training.seen(/token=/);
    url = /http\S+/.exec(stdout)?.[0] ?? "";
  });
  afterAll(() => {
    training.child.kill("SIGKILL");
    work.dispose();
  });

  const run = () => work.path("runs", "00000-data-stylegan2-small-8");
  const rows = () =>
    readFileSync(`${run()}/stats.jsonl`, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  /** A fact of the page's head as a number. */
  const fact = async (page: Page, name: string) =>
    Number.parseFloat(
      (await page.locator(".facts div", { hasText: name }).locator("dd").textContent()) ?? "",
    );
  const until = async (check: () => Promise<boolean> | boolean) => {
    await expect.poll(check, { timeout: 30_000, interval: 50 }).toBe(true);
  };

  it("is followed to its run, paused, changed, resumed, explored and stopped", async () => {
    const { page, errors, foreignRequests } = await open(url);
    await page.waitForURL(/#\/run\/00000-data/);
    expect(page.url()).not.toContain("token");
    await page.getByText("Training", { exact: true }).waitFor();

    // ---- the figures come by themselves ----
    await until(async () => (await fact(page, "Shown")) > 0);
    const first = await fact(page, "Shown");
    await until(async () => (await fact(page, "Shown")) > first);
    const loss = page.locator(".chart", { hasText: "Losses" }).locator("output").first();
    await until(async () => Number.isFinite(Number.parseFloat((await loss.textContent()) ?? "")));
    await page.locator(".pictures canvas").first().waitFor();
    await until(async () => (await page.getByLabel("Moment of the run").getAttribute("max")) !== "1");

    // ---- pause ----
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByText("Paused", { exact: true }).waitFor();
    const before = rows().length;
    await page.getByRole("spinbutton", { name: "gamma" }).fill("3.5");
    await page.getByRole("button", { name: "Apply" }).click();
    await page
      .getByText(/gamma .* → 3\.5 at/)
      .first()
      .waitFor();
    await page.waitForTimeout(600);
    expect(rows().slice(before)).toMatchObject([{ event: "changed", setting: "gamma", to: 3.5 }]);
    await page.getByRole("button", { name: "Snapshot now" }).click();
    await page
      .getByText(/Snapshot taken/)
      .first()
      .waitFor();

    // ---- resume ----
    await page.getByRole("button", { name: "Resume" }).click();
    await page.getByText("Training", { exact: true }).waitFor();
    await until(() =>
      rows()
        .slice(before)
        .some((row) => "tick" in row),
    );

    // ---- stop ----
    await page.getByRole("button", { name: "Stop …" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Stop", exact: true }).click();
    await page.getByText("Stopped", { exact: true }).waitFor();
    const finished = await training.done;
    expectSuccess(finished);
    expect(finished.stdout).toContain("--resume");
    await page.getByText("The server cannot be reached.").waitFor();
    // Only that the server has gone may be in the console.
    expect(errors.filter((text) => !/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED/.test(text))).toEqual([]);
    expect(foreignRequests).toEqual([]);
  });

  it("leaves a run whose generator makes the pictures of generate, and others with each control", async () => {
    expectSuccess(await work.run("generate", "--network", run(), "--seeds", "0", "--outdir", "out"));
    const server = work.start("serve", "runs", "--port", "0");
    let address = "";
    server.child.stdout?.on("data", (text: string) => {
      address ||= /http\S+/.exec(text)?.[0] ?? "";
    });
    await server.seen(/token=/);
    try {
      const { page, errors } = await open(
        `${new URL("/", address)}#/run/00000-data-stylegan2-small-8/explore`,
      );
      // The page's policy keeps fetch from what it shows, not a canvas.
      const shown = async () =>
        Buffer.from(
          await page.locator(".plane:not(.pending) img").evaluate((image: Drawable) => {
            const { naturalWidth: width, naturalHeight: height } = image;
            const { OffscreenCanvas } = globalThis as unknown as Browser;
            const canvas = new OffscreenCanvas(width, height).getContext("2d");
            canvas.drawImage(image, 0, 0);
            return [...canvas.getImageData(0, 0, width, height).data];
          }),
        );
      await page.locator(".plane img").waitFor({ timeout: 90_000 });
      const seed0 = await shown();
      const generated = sharp(work.path("out", "seed0000.png")).ensureAlpha().raw();
      expect(seed0.equals(await generated.toBuffer())).toBe(true);

      for (const colorScheme of ["dark", "light"] as const) {
        await page.emulateMedia({ colorScheme });
        expect(await faintTexts(page)).toEqual([]);
      }
      const { getByLabel, getByRole } = {
        getByLabel: page.getByLabel.bind(page),
        getByRole: page.getByRole.bind(page),
      };
      const controls: Record<string, () => Promise<unknown>> = {
        seed: () => getByLabel("Seed", { exact: true }).fill("5"),
        truncation: () => getByLabel("Truncation ψ").fill("0.3"),
        noise: () => getByLabel("Noise").selectOption("none"),
        mixing: () => page.locator(".layer").first().click(),
        direction: () => page.locator("fieldset .slider input").first().fill("5"),
        plane: async () => {
          await page.locator(".plane").focus();
          for (let i = 0; i < 5; i++) await page.keyboard.press("ArrowRight");
        },
      };
      for (const [name, use] of Object.entries(controls)) {
        await use();
        await expect
          .poll(async () => (await shown()).equals(seed0), { timeout: 10_000, message: name })
          .toBe(false);
        await getByRole("button", { name: "Reset" }).click();
        await expect
          .poll(async () => (await shown()).equals(seed0), { timeout: 10_000, message: name })
          .toBe(true);
      }

      for (const seed of ["0", "7"]) {
        await getByLabel("Seed", { exact: true }).fill(seed);
        await getByRole("button", { name: "Add keyframe" }).click();
      }
      await getByLabel("Frames between").fill("3");
      await getByRole("button", { name: "Make film" }).click();
      await page.getByAltText("The film").waitFor();
      const download = page.waitForEvent("download");
      await page.getByRole("link", { name: "Download the film" }).click();
      const { pages, width } = await sharp(await (await download).path(), { animated: true }).metadata();
      expect([pages, width]).toEqual([6, 8]);

      // ---- the same generator in the browser's own engine ----
      const browserPage = page.context().waitForEvent("page");
      await page.getByRole("link", { name: "Run it in this browser" }).click();
      const own = await browserPage;
      await own.getByText(/computed in this browser with WebAssembly in \d+ ms/).waitFor({ timeout: 30_000 });
      const canvas = own.locator(".stage canvas");
      const drawn = await canvas.evaluate((element: { getContext(kind: "2d"): Context }) => [
        ...element.getContext("2d").getImageData(0, 0, 8, 8).data,
      ]);
      expect(
        Math.max(...drawn.map((value, i) => Math.abs(value - (seed0[i] as number)))),
      ).toBeLessThanOrEqual(2);
      expect(errors).toEqual([]);
    } finally {
      server.child.kill("SIGINT");
    }
    const { code, stderr } = await server.done;
    expect([code, stderr]).toEqual([130, ""]);
  });
});

describe("the page", () => {
  it("works before there is a run: preparing, then the run", async () => {
    const server = await TestServer.start();
    server.server.setTraining({ state: "preparing", source: "emoji", done: 0, total: null });
    const { page, errors } = await open(server.server.url);
    await page.getByText("Preparing data …").waitFor();
    server.server.setTraining({ state: "preparing", source: "emoji", done: 120, total: 3391 });
    await page.getByText("120 of 3,391 pictures of emoji").waitFor();
    makeRun(server.path("00000-emoji"), { ticks: 0 });
    setRunning(server.path("00000-emoji"));
    server.server.setTraining({ state: "run", run: "00000-emoji" });
    await page.getByText(/first figures come with the first tick/).waitFor();
    addTicks(server.path("00000-emoji"), 1);
    await page.getByText("0.1 / 1.0 kimg").waitFor();
    expect(errors).toEqual([]);
  });

  it("without the token shows and does not steer", async () => {
    const server = await TestServer.start();
    makeRun(server.path("a"));
    setRunning(server.path("a"));
    const { page } = await open(`${new URL("/", server.server.url)}#/run/a`);
    await page.getByText("Only looking").waitFor();
    for (const name of ["Pause", "Snapshot now", "Stop …", "Apply"])
      expect(await page.getByRole("button", { name }).isDisabled()).toBe(true);
  });

  it("says when the server is gone, and catches up when it is back", async () => {
    const server = await TestServer.start();
    makeRun(server.path("a"));
    const own = await serve({ folder: server.folder, port: 0 });
    const { page } = await open(`${new URL("/", own.url)}#/run/a`);
    await page.getByText("0.3 / 1.0 kimg").waitFor();
    await own.close();
    await page.getByText("The server cannot be reached.").waitFor();
    addTicks(server.path("a"), 4, 4);
    const again = await serve({ folder: server.folder, port: Number(new URL(own.url).port) });
    try {
      await page.getByText("0.7 / 1.0 kimg").waitFor();
      const loss = page.locator(".chart", { hasText: "Losses" }).locator("output").first();
      await expect.poll(() => loss.textContent()).toBe("7.123");
      expect(await page.getByText("The server cannot be reached.").count()).toBe(0);
    } finally {
      await again.close();
    }
  });

  it("lists runs, compares them, and is used by keyboard alone", async () => {
    const server = await TestServer.start();
    for (const name of ["00000-a", "00001-b"]) {
      makeRun(server.path(name));
      const grid = sharp({ create: { width: 7 * 32, height: 4 * 32, channels: 3, background: "#a33" } });
      for (const picture of ["fakes_init", "fakes000001", "reals"])
        await grid
          .clone()
          .png()
          .toFile(server.path(name, `${picture}.png`));
    }
    mkdirSync(server.path("no run"));
    const { page, errors } = await open(server.server.url, { viewport: { width: 360, height: 740 } });
    const names = page.locator(".runs h2");
    await expect.poll(() => names.allTextContents()).toEqual(["00001-b", "00000-a"]);
    for (const box of await page.getByRole("checkbox").all()) await box.check();
    await page.getByRole("button", { name: "Compare 2" }).press("Enter");
    await page.getByRole("heading", { name: "What is different" }).waitFor();
    await page.getByRole("link", { name: "00000-a" }).press("Enter");

    const moment = page.getByLabel("Moment of the run");
    await moment.press("ArrowLeft");
    expect(await moment.getAttribute("aria-valuetext")).toBe("at the start");
    const grid = page.getByRole("button", { name: /^Fakes/ });
    await grid.focus();
    for (const key of ["ArrowRight", "ArrowDown", "Enter"]) await page.keyboard.press(key);
    await page.getByRole("dialog", { name: "Sample 9, large" }).waitFor();
    await page.keyboard.press("Escape");
    expect(await page.getByRole("dialog").count()).toBe(0);
    for (const view of ["Configuration", "Log"]) {
      await page.getByRole("link", { name: view }).press("Enter");
      await page.getByRole("heading", { name: view }).waitFor();
    }
    expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
    expect(errors).toEqual([]);
  });

  const views = [
    "",
    "#/compare/00000-a/00001-b",
    "#/run/00000-a",
    "#/run/00000-a/config",
    "#/run/00000-a/log",
  ];

  it.each(["light", "dark"] as const)(
    "can be read everywhere, %s, from 360 pixels to 4K",
    async (colorScheme) => {
      const server = await TestServer.start();
      for (const name of ["00000-a", "00001-b"]) makeRun(server.path(name), { ticks: 30 });
      setRunning(server.path("00001-b"));
      const { page } = await open(server.server.url, { colorScheme });
      for (const view of views) {
        await page.goto(new URL(`/${view}`, server.server.url).href);
        await page.locator("main h1, main h2").first().waitFor();
        for (const width of [360, 1280, 3840]) {
          await page.setViewportSize({ width, height: 900 });
          // Charts follow the window's width in the next frames.
          await expect.poll(() => overflow(page), { message: `${view} at ${width}` }).toBe(0);
        }
        expect([view, await faintTexts(page)]).toEqual([view, []]);
      }
    },
  );

  it("finds a text that is too faint", async () => {
    const server = await TestServer.start();
    makeRun(server.path("00000-a"));
    const { page } = await open(server.server.url);
    await page.locator(".runs h2").waitFor();
    await page.evaluate("document.querySelector('.run-name').style.color = '#aaa'");
    expect(await faintTexts(page)).toEqual([expect.stringMatching(/^2\.\d+: 00000-a$/)]);
  });
});
