// What a run is when nobody has chosen a configuration.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { preparation } from "../../src/cli/actions/preparation.js";
import { setThreads } from "../../src/torch/runtime.js";
import { automaticChoice, automaticKimg } from "../../src/training/auto.js";
import { resolveConfig } from "../../src/training/config.js";
import { type PreparedRun, prepareRun } from "../../src/training/prepare.js";
import { writePictures } from "../cli/helpers.js";
import { facts } from "./tiny.js";

const root = mkdtempSync(join(tmpdir(), "stylegan-auto-"));
beforeAll(async () => {
  setThreads(1);
  await writePictures(join(root, "data"), 6);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("--cfg auto", () => {
  it.each([
    ["cpu", 32, "stylegan2-small", { channelBase: 1024, channelMax: 64 }, 0.5],
    ["cpu", 64, "stylegan2-small", { channelBase: 2048, channelMax: 128 }, 1],
    ["cpu", 256, "stylegan2-small", { channelBase: 4096, channelMax: 128 }, 1],
    ["cpu", 1024, "stylegan2-small", { channelBase: 4096, channelMax: 128 }, (0.0002 * 1024 ** 2) / 16],
    ["cuda", 64, "stylegan2", { channelBase: 16384, channelMax: 512 }, (0.0002 * 64 ** 2) / 32],
  ])("on %s at %i px is %s", (device, resolution, cfg, shape, gamma) => {
    const choice = automaticChoice({ device, resolution });
    expect(choice.cfg).toBe(cfg);
    const config = resolveConfig(cfg, facts(resolution), {}, { instead: choice.options });
    expect(config.network.config).toMatchObject(shape);
    expect(config.penalty.r1Gamma).toBe(gamma);
    // The user's choices win, and none that stands in for the preset's is in their way.
    const own = resolveConfig(cfg, facts(resolution), { penalty: [] }, { instead: choice.options });
    expect(own.penalty.r1Gamma).toBe(0);
  });

  it("from other networks it is the published training of their architecture", () => {
    const { cfg, options } = automaticChoice({ device: "cpu", resolution: 64, architecture: "progan" });
    expect([cfg, options]).toEqual(["progan", {}]);
  });

  it.each([
    [30, 360], // three hours
    [0.5, 1000],
    [5000, 40],
  ])("with %f seconds a kimg is %i kimg long", (secPerKimg, kimg) => {
    expect(automaticKimg(secPerKimg)).toBe(kimg);
  });

  it("is measured, and a length of the user's own stays", async () => {
    const small = { resolution: 8, batch: 2, channelBase: 32, channelMax: 4, latentDim: 4 };
    const request = {
      ...{ device: "cpu", cacheDirectory: join(root, "cache") },
      options: { ...small, data: join(root, "data") },
    };
    const closed = ({ dataset, ...prepared }: PreparedRun) => {
      dataset.close();
      return prepared;
    };
    const { config, plan } = closed(await prepareRun(request, {}));
    expect(config).toMatchObject({ cfg: "stylegan2-small", batch: 2 });
    expect(config.kimg).toBe(automaticKimg(plan?.secPerKimg as number));
    expect(plan?.seconds).toBeCloseTo(config.kimg * (plan?.secPerKimg as number));
    const asked = { ...request, options: { ...request.options, kimg: 2 } };
    expect(closed(await prepareRun(asked, {})).config.kimg).toBe(2);
    const named = closed(await prepareRun({ ...request, cfg: "stylegan2" }, {}));
    expect(named.config.kimg).toBe(25000);
    expect(named.plan).toBeUndefined();
  });

  it("more than a day wants a word of the user's", () => {
    const config = resolveConfig("stylegan2", facts(64));
    const told = (seconds: number, mayTakeDays = false) =>
      preparation(undefined, { mayTakeDays }).planned({ config, plan: { secPerKimg: 1, seconds } });
    expect(() => told(3 * 86400)).toThrow(/^25000 kimg take about 3 days here .*--yes.*--kimg/);
    expect(() => told(86000)).not.toThrow();
    expect(() => told(3 * 86400, true)).not.toThrow();
  });
});
