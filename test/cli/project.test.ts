import { existsSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { latestSnapshot } from "../../src/interop/loadNetwork.js";
import { loadGenerator } from "../../src/interop/openSnapshot.js";
import { readLatents } from "../../src/synthesis/latentFile.js";
import { toPictures } from "../../src/synthesis/render.js";
import { noGrad } from "../../src/torch/autograd.js";
import { fixturePath } from "../helpers.js";
import { expectSuccess, expectUserError, runName, Workspace, writePictures } from "./helpers.js";

let work: Workspace;
let network: string;
beforeAll(async () => {
  work = new Workspace();
  await writePictures(work.path("data"), 40);
  expectSuccess(await work.train("runs", "--kimg", "0.004").done);
  network = latestSnapshot(work.path("runs", runName));
  await sharp({ create: { width: 30, height: 20, channels: 3, background: "teal" } })
    .png()
    .toFile(work.path("wide.png"));
});
afterAll(() => work.dispose());

const files = ["proj.png", "proj.webp", "projected_w.npz", "target.png"];
const pixels = async (file: string) => new Uint8Array(await sharp(file).raw().toBuffer());
const projectArgs = (...args: string[]) => ["project", "--network", network, "--threads", "1", ...args];
const projection = (...args: string[]) => work.run(...projectArgs("--target", "wide.png", ...args));

describe("project", () => {
  it("writes target, picture, latent and film; the picture is what the network makes of the latent", async () => {
    const result = await projection("--outdir", "out", "--num-steps", "30");
    expectSuccess(result);
    expect(readdirSync(work.path("out")).sort()).toEqual(files);
    expect(result.stdout).toMatch(
      /^30 steps: squared pixel error over scales 0\.\d+ \(mean picture: [\d.]+\)\n/,
    );
    const [, now, mean] = /scales (\S+) \(mean picture: (\S+)\)/.exec(result.stdout) ?? [];
    expect(Number(now)).toBeLessThan(Number(mean));
    const teal = Array.from({ length: 8 * 8 }, () => [0, 128, 128]).flat();
    expect(await pixels(work.path("out", "target.png"))).toEqual(Uint8Array.from(teal));
    const { G } = loadGenerator(network);
    const ws = await readLatents(work.path("out", "projected_w.npz"), G);
    const [picture] = noGrad(() => toPictures(G.synthesize(ws, { noiseMode: "const" })));
    expect(await pixels(work.path("out", "proj.png"))).toEqual(picture?.pixels);
    const latents = ["--projected-w", "out/projected_w.npz"];
    expectSuccess(await work.run("generate", "--network", network, ...latents, "--outdir", "again"));
    expect(await pixels(work.path("again", "proj00.png"))).toEqual(picture?.pixels);
    const film = await sharp(work.path("out", "proj.webp"), { animated: true }).metadata();
    expect([film.width, film.pageHeight, film.loop]).toEqual([256, 128, 0]);
    expect(film.pages).toBeGreaterThan(3);
    G.dispose();
    ws.dispose();
  });

  it("--no-video, --space w+, --perceptual", async () => {
    const result = await projection(
      ...["--outdir", "plus", "--num-steps", "5", "--no-video", "--space", "w+"],
      ...["--perceptual", fixturePath("perceptual.pt")],
    );
    expectSuccess(result);
    expect(result.stdout).toMatch(/^5 steps: perceptual distance/);
    expect(readdirSync(work.path("plus")).sort()).toEqual(files.filter((name) => name !== "proj.webp"));
  });

  it("Ctrl-C writes what there is", async () => {
    const running = work.start(
      ...projectArgs("--target", "wide.png", "--outdir", "stopped", "--num-steps", "1000000"),
    );
    // Signals are handled by the time that the folder is there.
    while (!existsSync(work.path("stopped")) && running.child.exitCode === null) await setTimeout(50);
    running.child.kill("SIGINT");
    const result = await running.done;
    expect(result.code).toBe(130);
    expect(result.stdout).toMatch(/Stopped after \d+ of 1000000 steps/);
    expect(readdirSync(work.path("stopped")).sort()).toEqual(files);
  });

  it.concurrent.each<[string, RegExp, string[]]>([
    ["no such target", /nowhere\.png: no such file/, ["--target", "nowhere.png"]],
    ["a target that is no picture", /cannot be read as a picture/, ["--target", fixturePath("README.md")]],
    ["a folder as target", /data is not a file/, ["--target", "data"]],
    [
      "a perceptual network that is none",
      /no TorchScript network/,
      ["--target", "wide.png", "--perceptual", "wide.png"],
    ],
    ["an unknown space", /none of w, w\+/, ["--target", "wide.png", "--space", "z"]],
    ["no steps", /--num-steps/, ["--target", "wide.png", "--num-steps", "0"]],
    ["a class for a network without", /no classes/, ["--target", "wide.png", "--class", "1"]],
  ])("one line, exit code 2 and no folder: %s", async (_, pattern, args) => {
    expectUserError(await work.run(...projectArgs(...args, "--outdir", "fresh")), pattern);
    expect(existsSync(work.path("fresh"))).toBe(false);
  });

  it("--outdir that is a file", async () => {
    expectUserError(await projection("--outdir", "wide.png"), /wide\.png.*in the way/);
    expect(readFileSync(work.path("wide.png")).subarray(1, 4).toString()).toBe("PNG");
  });

  it("--help has an example", async () => {
    const { code, stdout } = await work.run("project", "--help");
    expect(code).toBe(0);
    expect(stdout).toMatch(/Examples:\n {2}stylegan project --network/);
    expect(stdout).toMatch(/run only files you trust/);
  });
});
