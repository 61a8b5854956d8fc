import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadGenerator } from "../../src/interop/openSnapshot.js";
import type { Architecture } from "../../src/networks/registry.js";
import {
  disposeAll,
  readSnapshot,
  readSnapshotTensors,
  type SnapshotInfo,
  writeSnapshot,
} from "../../src/networks/snapshot.js";
import {
  type StyleGan2Config,
  StyleGan2Discriminator,
  StyleGan2Generator,
} from "../../src/networks/stylegan2.js";
import { classRows } from "../../src/synthesis/latents.js";
import { UserError } from "../../src/system/errors.js";
import { backward, noGrad } from "../../src/torch/autograd.js";
import { FlatParameters } from "../../src/torch/flat.js";
import { manualSeed, randn } from "../../src/torch/random.js";
import { setThreads } from "../../src/torch/runtime.js";
import { readSafetensors, writeSafetensors } from "../../src/torch/safetensors.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";

const tiny: StyleGan2Config = {
  resolution: 16,
  zDim: 16,
  wDim: 16,
  cDim: 0,
  channelBase: 128,
  channelMax: 16,
  mappingLayers: 2,
  mappingLrMultiplier: 0.01,
  wAvgBeta: 0.995,
  convClamp: 256,
  mbstdGroupSize: 2,
  mbstdNumFeatures: 1,
  discriminatorArchitecture: "resnet",
  discriminatorMappingLayers: 8,
};

let folder: string;
beforeAll(() => {
  setThreads(1);
  folder = mkdtempSync(join(tmpdir(), "stylegan-snapshot-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Networks {
  G: StyleGan2Generator;
  D: StyleGan2Discriminator;
  G_ema: StyleGan2Generator;
}

function withNetworks<T>(config: StyleGan2Config, body: (networks: Networks) => T): T {
  manualSeed(11);
  const networks = scope(() => ({
    G: new StyleGan2Generator(config),
    D: new StyleGan2Discriminator(config),
    G_ema: new StyleGan2Generator(config),
  }));
  try {
    return body(networks);
  } finally {
    for (const network of Object.values(networks)) network.dispose();
  }
}

const infoOf = (config: StyleGan2Config): SnapshotInfo => ({
  description: { architecture: "stylegan2", config },
  curNimg: 1234,
  classNames: ["cat", 'do"g', "Füchse"].slice(0, config.cDim),
});

function picture(
  G: StyleGan2Generator | ReturnType<typeof loadGenerator>["G"],
  c: Tensor | null,
): Uint8Array {
  return noGrad(() => {
    const z = tensor(
      Float32Array.from({ length: 2 * G.zDim }, (_, i) => Math.sin(i)),
      [2, G.zDim],
    );
    return G.synthesize(G.map(z, c, { truncationPsi: 0.7 }), { noiseMode: "const" }).toBytes();
  });
}

describe("a snapshot", () => {
  it.each([0, 3])("gives back the moving average's pictures bit for bit, with %i classes", (cDim) => {
    const before = liveTensors();
    const config = { ...tiny, cDim };
    const file = join(folder, `round${cDim}.safetensors`);
    withNetworks(config, (networks) =>
      scope(() => {
        networks.G_ema.updateWAvg(randn([4, tiny.wDim]));
        writeSnapshot(file, networks, infoOf(config));
        const { G, info } = loadGenerator(file);
        const c = classRows([0, 2], cDim);
        expect(info).toEqual(infoOf(config));
        expect(picture(G, c)).toEqual(picture(networks.G_ema, c));
        expect(picture(G, c)).not.toEqual(picture(networks.G, c));
        G.dispose();
      }),
    );
    expect(liveTensors()).toBe(before);
  });

  it("holds all three networks under NVIDIA's names", () => {
    withNetworks(tiny, (networks) => {
      const file = join(folder, "names.safetensors");
      writeSnapshot(file, networks, infoOf(tiny));
      scope(() => {
        const { tensors } = readSnapshot(file);
        for (const [prefix, network] of Object.entries(networks))
          for (const [name, value] of network.stateDict())
            expect(tensors.get(`${prefix}.${name}`)?.toBytes(), `${prefix}.${name}`).toEqual(value.toBytes());
        for (const name of ["G.synthesis.b4.const", "G_ema.mapping.w_avg", "D.b16.fromrgb.weight"])
          expect([...tensors.keys()]).toContain(name);
      });
    });
  });

  describe("that is damaged is refused with one line, and nothing leaks", () => {
    const refused: [string, (whole: Buffer, file: string) => void, RegExp][] = [
      ["cut in half", (whole, file) => writeFileSync(file, whole.subarray(0, whole.length / 2)), /cut short/],
      ["no metadata", (_, file) => rewrite(file, {}), /not a network snapshot/],
      ["broken configuration", (_, file) => rewrite(file, { config: "{" }), /not a network snapshot/],
      [
        "resolution 12",
        (_, file) => rewrite(file, { config: JSON.stringify({ ...tiny, resolution: 12 }) }),
        /not a network snapshot/,
      ],
      [
        "configuration of a wider network",
        (_, file) => rewrite(file, { config: JSON.stringify({ ...tiny, channelMax: 8 }) }),
        /does not fit.*G?.*shape/,
      ],
      [
        "configuration of a larger network",
        (_, file) => rewrite(file, { config: JSON.stringify({ ...tiny, resolution: 32 }) }),
        /does not fit.*missing/,
      ],
      [
        "configuration of a network beyond all memory",
        (_, file) =>
          rewrite(file, { config: JSON.stringify({ ...tiny, channelBase: 2 ** 50, channelMax: 2 ** 40 }) }),
        /.*/,
      ],
    ];

    function rewrite(file: string, changes: Record<string, string>): void {
      scope(() => {
        const { tensors, metadata } = readSafetensors(file);
        const kept = Object.keys(changes).length === 0 ? {} : metadata;
        writeSafetensors(file, tensors, { ...kept, ...changes });
      });
    }

    it.each(refused)("%s", (_, damage, pattern) => {
      const file = join(folder, "damaged.safetensors");
      withNetworks(tiny, (networks) => writeSnapshot(file, networks, infoOf(tiny)));
      damage(readFileSync(file), file);
      const before = liveTensors();
      let error: unknown;
      try {
        loadGenerator(file).G.dispose();
      } catch (caught) {
        error = caught;
      }
      expect(error).toBeInstanceOf(UserError);
      expect((error as UserError).message).toMatch(pattern);
      expect((error as UserError).message).not.toContain("\n");
      expect(liveTensors()).toBe(before);
    });
  });
});

describe("a file that says more than it has", () => {
  const mapping = { mappingLayers: 64, mappingLrMultiplier: 0.01, wAvgBeta: 0.995 };
  const growing = {
    ...{ resolution: 4096, zDim: 8192, cDim: 0, channelBase: 2 ** 20, channelMax: 4096 },
    ...{ mbstdGroupSize: 4, mbstdNumFeatures: 1, fromRgbActivation: "lrelu" },
  };
  /** Each of gigabytes: the largest options of every architecture. */
  const giants: Record<Architecture, unknown> = {
    stylegan2: {
      ...{ ...tiny, ...mapping, resolution: 4096, zDim: 8192, wDim: 8192 },
      ...{ channelBase: 2 ** 20, channelMax: 4096 },
    },
    "stylegan2-minimal": {
      ...{ resolution: 4096, latentDim: 8192, cDim: 0, generatorFeatures: 1024, discriminatorFeatures: 1024 },
      ...{ maxFeatures: 4096, groupSize: 4, ...mapping },
    },
    stylegan1: { ...growing, ...mapping, wDim: 8192 },
    progan: growing,
  };
  const write = (architecture: string, config: unknown, tensors: Map<string, Tensor>) => {
    const file = join(folder, "bomb.safetensors");
    const texts = { architecture, config: JSON.stringify(config), curNimg: "1", classNames: "[]" };
    scope(() => writeSafetensors(file, tensors, { format: "stylegan.ts snapshot 1", ...texts }));
    return file;
  };
  /** What loading it ends with, when that takes below a second of processor and 64 MB. */
  const loading = (file: string) => {
    const [memory, start] = [process.resourceUsage().maxRSS, process.cpuUsage()];
    let message = "";
    try {
      loadGenerator(file).G.dispose();
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      message = (error as UserError).message;
    }
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1e6).toBeLessThan(1);
    const beyond = process.resourceUsage().maxRSS - memory - statSync(file).size / 1024;
    expect(beyond).toBeLessThan(64 * 1024);
    return message;
  };

  it.each(Object.entries(giants))("%s: metadata alone", (architecture, config) => {
    const file = write(architecture, config, new Map());
    expect(statSync(file).size).toBeLessThan(1000);
    expect(loading(file)).toMatch(/no generator/);
  });

  it.each(Object.entries(giants))("%s: metadata and one tensor", (architecture, config) => {
    const tensors = () =>
      new Map([
        ["G_ema.x", tensor([1])],
        ["D.x", tensor([1])],
      ]);
    expect(loading(scope(() => write(architecture, config, tensors())))).toMatch(
      /does not fit the network: entry G_ema\.\S+ is missing, expected shape/,
    );
  });

  it("classes of 16 million brackets", () => {
    const file = join(folder, "bomb.safetensors");
    const texts = {
      architecture: "stylegan2",
      config: JSON.stringify(tiny),
      classNames: "[".repeat(15_000_000),
    };
    writeSafetensors(file, new Map(), { format: "stylegan.ts snapshot 1", ...texts });
    expect(loading(file)).toMatch(/is not a network snapshot/);
  });
});

describe("a file with elements that are not finite", () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY])(
    "%s is refused by name of the tensor, and nothing leaks",
    (value) =>
      withNetworks(tiny, (networks) => {
        const file = join(folder, "nan.safetensors");
        const before = liveTensors();
        scope(() => {
          const bias = networks.G_ema.stateDict().get("synthesis.b8.conv1.bias") as Tensor;
          noGrad(() => bias.narrow(0, 2, 1).fill_(value));
        });
        writeSnapshot(file, networks, infoOf(tiny));
        expect(() => loadGenerator(file)).toThrow(UserError);
        expect(() => loadGenerator(file)).toThrow(
          /G_ema\.synthesis\.b8\.conv1\.bias has elements that are not finite/,
        );
        // The other networks are as they should be.
        disposeAll(readSnapshotTensors(file, ["G", "D"]));
        expect(liveTensors()).toBe(before);
      }),
  );
});

describe("a conditional StyleGAN2", () => {
  const config = { ...tiny, cDim: 3 };

  it("tells classes apart in pictures and in logits", () =>
    withNetworks(config, ({ G, D }) =>
      scope(() => {
        const z = randn([1, config.zDim]);
        const images = [0, 1, 2].map((label) =>
          G.synthesize(G.map(z, classRows([label], 3)), { noiseMode: "const" }),
        );
        const logits = [0, 1, 2].map((label) => D.forward(images[0] as Tensor, classRows([label], 3)).item());
        expect(new Set(images.map((image) => image.toFloat32Array().join())).size).toBe(3);
        expect(new Set(logits).size).toBe(3);
        expect(logits.every(Number.isFinite)).toBe(true);
      }),
    ));

  it("trains its class embedding and its projection: every parameter of both networks gets a gradient", () =>
    withNetworks(config, ({ G, D }) => {
      const flats = [new FlatParameters(G), new FlatParameters(D)];
      scope(() => {
        const c = classRows([0, 1, 2, 1], 3);
        const ws = G.map(randn([4, config.zDim]), c);
        const logits = D.forward(G.synthesize(ws, { noiseMode: "random" }), c);
        backward(
          logits.square().sum(),
          flats.flatMap((flat) => flat.parameters),
        );
      });
      for (const [network, flat] of [
        [G, flats[0]],
        [D, flats[1]],
      ] as const) {
        const all = scope(() => (flat as FlatParameters).takeGradients().toFloat32Array());
        let start = 0;
        for (const [name, parameter] of network.namedParameters()) {
          const part = all.subarray(start, start + parameter.numel);
          start += parameter.numel;
          expect(
            part.some((value) => value !== 0),
            name,
          ).toBe(true);
          expect(part.every(Number.isFinite), name).toBe(true);
        }
      }
      for (const flat of flats) flat.dispose();
    }));

  it("says so when the classes are missing", () =>
    withNetworks(config, ({ G, D }) =>
      scope(() => {
        expect(() => G.map(randn([1, 16]), null)).toThrow(/conditional/);
        expect(() => D.forward(randn([2, 3, 16, 16]), null)).toThrow(/conditional/);
      }),
    ));
});

describe("inputs of the wrong shape are refused with both shapes", () => {
  it.each<[string, (networks: Networks) => unknown, string]>([
    ["z", ({ G }) => G.map(randn([2, 5]), null), "z has shape [2, 5], expected [N, 16]"],
    ["z without batch", ({ G }) => G.map(randn([16]), null), "z has shape [16], expected [N, 16]"],
    ["c", ({ G }) => G.map(randn([2, 16]), randn([2, 4])), "c has shape [2, 4], expected [2, 3]"],
    [
      "c of another batch",
      ({ G }) => G.map(randn([2, 16]), randn([1, 3])),
      "c has shape [1, 3], expected [2, 3]",
    ],
    [
      "ws",
      ({ G }) => G.synthesize(randn([2, 3, 16]), { noiseMode: "none" }),
      "ws has shape [2, 3, 16], expected [N, 6, 16]",
    ],
    [
      "images",
      ({ D }) => D.forward(randn([2, 3, 8, 8]), classRows([0, 1], 3)),
      "images has shape [2, 3, 8, 8], expected [N, 3, 16, 16]",
    ],
    [
      "gray images",
      ({ D }) => D.forward(randn([2, 1, 16, 16]), classRows([0, 1], 3)),
      "images has shape [2, 1, 16, 16], expected [N, 3, 16, 16]",
    ],
  ])("%s", (_, call, message) =>
    withNetworks({ ...tiny, cDim: 3 }, (networks) =>
      scope(() => {
        expect(() => call(networks)).toThrow(message);
      }),
    ),
  );
});
