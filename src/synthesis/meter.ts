// The measures of a generator against a set of real pictures: what they need is made once for all of them.

import { setImmediate } from "node:timers/promises";
import type { Detector, DetectorKind } from "../metrics/detector.js";
import type { FeatureStatistics } from "../metrics/features.js";
import type {
  FeatureMetric,
  Metric,
  NetworkMetric,
  PictureMetric,
  PictureReference,
} from "../metrics/metric.js";
import { detectorsOf, metricNamed } from "../metrics/metrics.js";
import { type DetectorFiles, openDetector } from "../metrics/openDetector.js";
import { readPictures, spreadIndices } from "../metrics/reals.js";
import { StatisticsCache, type StatisticsKey } from "../metrics/statisticsCache.js";
import type { Generator } from "../networks/network.js";
import { UserError } from "../system/errors.js";
import { createRandom } from "../system/random.js";
import { manualSeed, randomState, setRandomState } from "../torch/random.js";
import type { Device, Tensor } from "../torch/tensor.js";
import { collectFeatures, keyOf, Stopped, type Use, usesOf } from "./collect.js";
import { floorOf } from "./floor.js";
import { latentsOfSeeds } from "./latents.js";
import { type Draws, drawsOf, type MeasuredData, measuredNetwork, realBatch } from "./measured.js";
import { deviceOf, mapLatents, renderLatents, synthesizeImages, toBytes } from "./render.js";

export interface MeterOptions {
  /** Names of the table in metrics/metrics.ts. */
  metrics: readonly string[];
  /** Pictures of the generator, or pairs of them. Default: as many as each measure's name says. */
  images?: number | undefined;
  /** Start of all random numbers; values of different seeds do not compare to the last digit. Default 0. */
  seed?: number;
  /** Whether the training mirrors its reals: for the measures that look at these. */
  mirror?: boolean;
  device?: Device;
  detectors: DetectorFiles;
  /** Where statistics of reals are kept. */
  cacheFolder: string;
}

export interface MetricResult {
  metric: Metric;
  /** By the names of the measure's values. */
  results: Record<string, number>;
  /** What else belongs into a record. */
  details: Readonly<Record<string, unknown>>;
  /** Pictures, or pairs of them, of the generator. */
  images: number;
  /** What it took, shared work counted for each. */
  seconds: number;
}

export interface MeasureOptions {
  /** Which of the seed's independent draws; a spread over several is an error bar. Default 0. */
  repeat?: number;
  onProgress?: (what: string, done: number, total: number) => void;
  /** Asked after every batch: measures that take long stop then and give nothing. Those of pictures are always given. */
  shouldStop?: () => boolean;
}

/** The results, or none of them. */
async function unlessStopped(body: () => Promise<MetricResult[]>): Promise<MetricResult[]> {
  try {
    return await body();
  } catch (error) {
    if (error instanceof Stopped) return [];
    throw error;
  }
}

export class Meter {
  readonly metrics: readonly Metric[];
  readonly #data: MeasuredData;
  readonly #options: MeterOptions;
  readonly #detectors = new Map<DetectorKind, Detector>();
  readonly #reals = new Map<string, FeatureStatistics>();
  readonly #references = new Map<PictureMetric, { repeat: number; reference: PictureReference }>();

  private constructor(data: MeasuredData, options: MeterOptions) {
    this.#data = data;
    this.#options = options;
    this.metrics = options.metrics.map(metricNamed);
  }

  /** @throws UserError when a measure is unknown, cannot take such pictures, or its detector is missing or damaged */
  static async open(data: MeasuredData, options: MeterOptions): Promise<Meter> {
    const meter = new Meter(data, options);
    for (const metric of meter.metrics) {
      if (metric.needs === "pictures") metric.check(data.resolution);
      if (metric.needs === "features") meter.#checkCounts(metric);
    }
    for (const [kind, file] of options.detectors.find(detectorsOf(meter.metrics)))
      meter.#detectors.set(kind, await openDetector(kind, file, options.device ?? "cpu"));
    return meter;
  }

  /** The detectors in use, by kind. */
  get detectors(): ReadonlyMap<DetectorKind, Detector> {
    return this.#detectors;
  }

  #checkCounts(metric: FeatureMetric): void {
    const { name, fewest, reals } = metric;
    const kinds = reals ? "of the data and of the generator" : "of the generator";
    const count = Math.min(this.imagesOf(metric), reals ? this.#data.length : Number.MAX_SAFE_INTEGER);
    if (count < fewest)
      throw new UserError(`${name} needs at least ${fewest} pictures ${kinds}; there are ${count}`);
  }

  /** How many pictures, or pairs of them, a measure takes of the generator. */
  imagesOf(metric: Metric): number {
    const images = this.#options.images ?? metric.images;
    return metric.needs === "pictures" ? Math.min(images, this.#data.length) : images;
  }

  /** All measures of one generator. Random generators of libtorch are afterwards as they were. */
  async measure(G: Generator, options: MeasureOptions = {}): Promise<MetricResult[]> {
    const device = deviceOf(G);
    const devices = device === "cpu" ? ["cpu"] : ["cpu", device];
    const states = devices.map((name) => [name, randomState(name)] as const);
    try {
      manualSeed(this.#seed + (options.repeat ?? 0));
      const results = await unlessStopped(() => this.#featureResults(G, options));
      for (const metric of this.metrics) {
        if (metric.needs === "pictures") results.push(await this.#pictureResult(metric, G, options));
        if (metric.needs === "network")
          results.push(...(await unlessStopped(async () => [await this.#networkResult(metric, G, options)])));
      }
      const order = (result: MetricResult) => this.metrics.indexOf(result.metric);
      return results.sort((a, b) => order(a) - order(b));
    } finally {
      for (const [name, state] of states) setRandomState(name, state);
    }
  }

  /** The measures of real pictures against others: see floor.ts. */
  async floor({ repeat = 0, onProgress, shouldStop }: MeasureOptions = {}): Promise<MetricResult[]> {
    return unlessStopped(async () => {
      const started = performance.now();
      const floors = await floorOf(this.#data, this.metrics, {
        ...{ seed: this.#seed + repeat, device: this.#options.device ?? "cpu" },
        ...{ detectors: this.#detectors, batch: batchOf(this.#data.resolution) },
        ...(onProgress && { onProgress }),
        ...(shouldStop && { shouldStop }),
      });
      return floors.map(({ metric, ...found }) => resultOf(metric, { ...found, started }));
    });
  }

  dispose(): void {
    for (const detector of this.#detectors.values()) detector.dispose();
    for (const statistics of new Set(this.#reals.values())) statistics.dispose();
    for (const { reference } of this.#references.values()) reference.dispose();
  }

  get #seed(): number {
    return this.#options.seed ?? 0;
  }

  // ---- measures of features ----

  async #featureResults(G: Generator, options: MeasureOptions): Promise<MetricResult[]> {
    const metrics = this.metrics.filter((metric) => metric.needs === "features");
    const results: MetricResult[] = [];
    for (const images of new Set(metrics.map((metric) => this.imagesOf(metric)))) {
      const group = metrics.filter((metric) => this.imagesOf(metric) === images);
      const started = performance.now();
      await this.#findReals(group, options);
      const fakes = await this.#fakeFeatures(G, { images, uses: usesOf(group), ...options });
      try {
        for (const metric of group) {
          const random = createRandom(this.#seed, streamOf(options, "subsets"));
          const fake = fakes.get(keyOf(metric)) as FeatureStatistics;
          const values = metric.compute(fake, this.#realsOf(metric), random);
          results.push(resultOf(metric, { values, images, started }));
        }
      } finally {
        for (const statistics of fakes.values()) statistics.dispose();
      }
    }
    return results;
  }

  /** Features of pictures that are made for them: random latents and noise, classes as in the data. */
  async #fakeFeatures(
    G: Generator,
    { images, uses, ...options }: { images: number; uses: readonly Use[] } & MeasureOptions,
  ): Promise<Map<string, FeatureStatistics>> {
    const draws = this.#draws(G, options);
    return this.#collect({ count: images, uses, what: "pictures" }, options, (_, count) => {
      const { z, classes } = draws.next(count);
      const ws = mapLatents(G, { z, classes });
      return toBytes(synthesizeImages(G, ws, "random"));
    });
  }

  /** Makes what is not known yet of the reals that `metrics` look at; one pass for all that look at the same ones. */
  async #findReals(metrics: readonly FeatureMetric[], options: MeasureOptions): Promise<void> {
    const cache = new StatisticsCache(this.#options.cacheFolder);
    const missing = new Map<number, { metric: FeatureMetric; key: StatisticsKey }[]>();
    for (const metric of metrics) {
      const key = this.#realsKey(metric);
      if (!key || this.#reals.has(JSON.stringify(key))) continue;
      const known = cache.read(key);
      if (known) this.#reals.set(JSON.stringify(key), known);
      else missing.set(key.images, [...(missing.get(key.images) ?? []), { metric, key }]);
    }
    for (const [count, wanted] of missing) {
      const uses = usesOf(wanted.map(({ metric }) => metric));
      const found = await this.#collect({ count, uses, what: "reals" }, options, (start, size) =>
        realBatch(this.#data, { start, size }),
      );
      for (const { metric, key } of wanted) {
        const statistics = found.get(keyOf(metric)) as FeatureStatistics;
        this.#reals.set(JSON.stringify(key), statistics);
        cache.write(key, statistics);
      }
    }
  }

  #realsOf(metric: FeatureMetric): FeatureStatistics | undefined {
    const key = this.#realsKey(metric);
    return key && this.#reals.get(JSON.stringify(key));
  }

  /** What decides the reals' part of a measure; undefined: it has none. */
  #realsKey({ reals, detector, output, keep }: FeatureMetric): StatisticsKey | undefined {
    if (!reals) return undefined;
    const mirrored = reals.mirrored && this.#options.mirror === true;
    return {
      data: this.#data.fingerprint,
      resolution: this.#data.resolution,
      images: Math.min(this.#data.length * (mirrored ? 2 : 1), reals.most),
      mirrored,
      detector: (this.#detectors.get(detector) as Detector).fingerprint,
      output,
      keep: [keep],
    };
  }

  #collect(
    wanted: { count: number; uses: readonly Use[]; what: string },
    { onProgress, shouldStop }: MeasureOptions,
    make: (start: number, size: number) => Tensor,
  ): Promise<Map<string, FeatureStatistics>> {
    const batch = batchOf(this.#data.resolution);
    const detectors = this.#detectors;
    return collectFeatures(
      { ...wanted, detectors, batch, ...(onProgress && { onProgress }), ...(shouldStop && { shouldStop }) },
      make,
    );
  }

  // ---- the others ----

  async #pictureResult(metric: PictureMetric, G: Generator, options: MeasureOptions): Promise<MetricResult> {
    const started = performance.now();
    const { repeat = 0, onProgress } = options;
    const images = this.imagesOf(metric);
    const indices = spreadIndices(this.#data.length, images);
    let known = this.#references.get(metric);
    if (known?.repeat !== repeat) {
      known?.reference.dispose();
      const device = this.#options.device ?? "cpu";
      const reals = readPictures(this.#data, indices);
      const seed = this.#seed + repeat;
      known = { repeat, reference: metric.reference(reals, { seed, device }) };
      this.#references.set(metric, known);
    }
    // The fakes of the seeds 0, 1, 2, … and of the classes of the reals, with the stored noise.
    const seeds = indices.map((_, i) => repeat * images + i);
    const z = latentsOfSeeds(seeds, G.zDim);
    const classes = indices.map((index) => this.#data.label(index));
    const fakes = renderLatents(G, { z, classes, noiseMode: "const", batch: batchOf(this.#data.resolution) });
    const { values, details } = known.reference.compare(
      counted(fakes, (done) => onProgress?.("pictures", done, images)),
    );
    z.dispose();
    return resultOf(metric, { values, details, images, started });
  }

  async #networkResult(metric: NetworkMetric, G: Generator, options: MeasureOptions): Promise<MetricResult> {
    const { onProgress, shouldStop } = options;
    const started = performance.now();
    const images = this.imagesOf(metric);
    const random = createRandom(this.#seed, streamOf(options, "places"));
    const network = measuredNetwork(G, { draws: this.#draws(G, options), random });
    const detector = this.#detectors.get(metric.detector) as Detector;
    const samples: number[] = [];
    try {
      while (samples.length < images) {
        const count = Math.min(metric.batch, images - samples.length);
        samples.push(...(await metric.sample(network, detector, count)));
        onProgress?.("pairs", samples.length, images);
        await setImmediate();
        if (shouldStop?.() && samples.length < images) throw new Stopped();
      }
    } finally {
      network.restore();
    }
    return resultOf(metric, { values: metric.summarize(samples), images, started });
  }

  #draws({ zDim }: Generator, options: MeasureOptions): Draws {
    return drawsOf(this.#data, {
      zDim,
      latents: createRandom(this.#seed, streamOf(options, "latents")),
      classes: createRandom(this.#seed, streamOf(options, "classes")),
    });
  }
}

/** Streams of random numbers; the first three of a seed are those of SWD. */
const streams = ["latents", "classes", "subsets", "places"] as const;

function streamOf({ repeat = 0 }: MeasureOptions, name: (typeof streams)[number]): number {
  return 3 + repeat * streams.length + streams.indexOf(name);
}

/** Pictures at once: enough to keep the cores busy, few enough for 1024 px. */
function batchOf(resolution: number): number {
  return Math.max(4, Math.min(64, Math.floor(2 ** 20 / resolution ** 2)));
}

function resultOf(
  metric: Metric,
  {
    values,
    details = {},
    images,
    started,
  }: {
    values: readonly number[];
    details?: Readonly<Record<string, unknown>>;
    images: number;
    started: number;
  },
): MetricResult {
  const results = Object.fromEntries(metric.values.map(({ name }, i) => [name, values[i] as number]));
  return { metric, results, details, images, seconds: (performance.now() - started) / 1000 };
}

function* counted<T>(items: Iterable<T>, report: (done: number) => void): Iterable<T> {
  let done = 0;
  for (const item of items) {
    yield item;
    report(++done);
  }
}
