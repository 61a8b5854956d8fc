// stylegan dataset: a zip that is trained on, and what is left when it is ended.

import { copyFileSync, existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import { noise } from "../data/helpers.js";
import { expectSuccess, expectUserError, tinyRun, Workspace, writePictures } from "./helpers.js";

const work = new Workspace();
beforeAll(async () => {
  await writePictures(work.path("data", "left"), 6);
  await writePictures(work.path("data", "right"), 4);
});
afterAll(() => work.dispose());

it("makes a zip that a network with classes is trained on", async () => {
  const made = await work.run("dataset", "data", "set.zip", "--resolution", "8", "--crop", "center");
  expectSuccess(made);
  expect(made.stdout).toMatch(/^set\.zip: 10 pictures of 8 x 8, 2 classes, /m);
  expect(made.stdout).not.toContain("train on");
  const trained = await work.run(
    ...["train", "--data", "set.zip", ...tinyRun, "--cond", "--kimg", "0.008", "--outdir", "runs"],
  );
  expectSuccess(trained);
  expect(trained.stdout).toContain("on 10 pictures, mirrored, at 8 px");
  // Plain ones, which are blank, of the same colours in both folders.
  expect(trained.stdout).toMatch(
    /^Among the pictures: 10 of one colour, 4 copies of others\. Which: .* dataset set\.zip --check$/m,
  );
  expect(trained.stdout).toMatch(/^2 classes: left 6, right 4$/m);
  expectUserError(await work.run("dataset", "data", "set.zip"), /set\.zip is already there/);
  const only = await work.run("dataset", "data", "--check", "--report", "look");
  expectSuccess(only);
  expect(only.stdout).toMatch(/^classes +2: left 6, right 4$/m);
  expect(only.stdout).toMatch(/ train --data data --resolution 16 --mirror --aug ada --cond$/m);
  expect(only.stdout).toContain("look.html and look.png");
  expect(readdirSync(work.root).sort()).toEqual(
    ["cache", "data", "look.html", "look.png", "runs", "set.zip"].sort(),
  );
  expect((await sharp(work.path("look.png")).metadata()).width).toBe(10 * 100 + 4);
  const wide = await work.run("dataset", "data", "wide", "--resolution", "16x8");
  expectSuccess(wide);
  expect(wide.stdout).toMatch(/train on/);
});

it("that is killed or ended leaves no zip, and the next one clears up", async () => {
  mkdirSync(work.path("many"));
  const picture = work.path("noise.png");
  await sharp(await noise(600).png().toBuffer()).toFile(picture);
  for (let i = 0; i < 400; i++) copyFileSync(picture, work.path("many", `${i}.png`));
  const temporary = () => readdirSync(work.root).filter((name) => name.endsWith(".tmp"));
  /** Starts one and ends it when a part is written, or the pictures are being looked at. */
  const ended = async (signal: NodeJS.Signals) => {
    const { child, done } = work.start("dataset", "many", "many.zip", "--resolution", "256");
    while (child.exitCode === null) {
      const own = `.many.zip.${child.pid}.tmp`;
      if (existsSync(work.path(own)) && statSync(work.path(own)).size > 0) break;
      await wait(5);
    }
    child.kill(signal);
    const { code, stdout, stderr } = await done;
    expect(stdout).not.toContain("many.zip:");
    expect(existsSync(work.path("many.zip"))).toBe(false);
    return { code, stderr };
  };
  expect((await ended("SIGKILL")).code).toBe(null);
  expect(temporary()).toHaveLength(1);
  const { code, stderr } = await ended("SIGINT");
  expect(code).toBe(130);
  expect(stderr).toMatch(/^Stopping: [a-z ]+ is written\. Once more ends at once\.\n$/);
  expect(temporary()).toEqual([]);
});

it("says in one line what is wrong", async () => {
  expectUserError(await work.run("dataset", "nowhere", "x.zip"), /there is no nowhere/);
  expectUserError(await work.run("dataset", "data", "x.zip", "--resolution", "1x9"), /"1x9" is no size/);
  expectUserError(await work.run("dataset", "data", "x.zip", "--crop", "left"), /none of centre, /);
  expectUserError(await work.run("dataset", "data", "x.zip", "--background", "blurple"), /not a colour/);
  expectUserError(await work.run("dataset", "data", "data"), /something in it/);
  expectUserError(await work.run("dataset", "data"), /say where the data set goes/);
  expectUserError(await work.run("dataset", "data", "x.zip", "--check"), /--check only looks/);
  expectUserError(await work.run("dataset", "data", "x.zip", "--drop", "all"), /"all" is none of tiny, /);
  expectUserError(await work.run("dataset", "data", "x.zip", "--labels", "no.csv"), /no\.csv: no such file/);
  expect(existsSync(work.path("x.zip"))).toBe(false);
});
