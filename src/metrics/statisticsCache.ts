// Statistics of reals on disk: the same data and detector are looked at once.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../system/errors.js";
import { readSafetensors, writeSafetensors } from "../torch/safetensors.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import { FeatureStatistics, type Keep } from "./features.js";

/** Raise it when the same key would have other statistics. */
const formatVersion = 1;

/** Features of many pictures are computed again rather than kept: 200,000 of VGG's would fill 3 GB. */
const mostBytes = 2 ** 30;

/** Everything that decides the statistics of a set of reals. */
export interface StatisticsKey {
  data: string;
  resolution: number;
  images: number;
  mirrored: boolean;
  detector: string;
  output: string;
  keep: readonly Keep[];
}

export class StatisticsCache {
  readonly #folder: string;

  /** @param folder made when something is written */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** undefined: not there, or damaged. */
  read(key: StatisticsKey): FeatureStatistics | undefined {
    const file = this.#fileOf(key);
    if (!existsSync(file)) return undefined;
    try {
      return scope(() => {
        const { tensors } = readSafetensors(file);
        const [mean, covariance, features] = ["mean", "covariance", "features"].map((name) =>
          tensors.get(name),
        );
        if (key.keep.includes("moments") !== (mean !== undefined && covariance !== undefined))
          return undefined;
        if (key.keep.includes("all") !== (features?.size(0) === key.images)) return undefined;
        const gaussian =
          mean && covariance ? { mean: mean.keep(), covariance: covariance.keep() } : undefined;
        return new FeatureStatistics({ count: key.images, gaussian, features: features?.keep() });
      });
    } catch (error) {
      if (error instanceof UserError) return undefined; // damaged: it is made again
      throw error;
    }
  }

  write(key: StatisticsKey, statistics: FeatureStatistics): void {
    const tensors = new Map<string, Tensor>();
    if (key.keep.includes("moments")) {
      tensors.set("mean", statistics.gaussian.mean);
      tensors.set("covariance", statistics.gaussian.covariance);
    }
    if (key.keep.includes("all")) {
      if (statistics.features.numel * 4 > mostBytes) return;
      tensors.set("features", statistics.features);
    }
    try {
      mkdirSync(this.#folder, { recursive: true });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new UserError(
        `cannot keep statistics in ${this.#folder} (${code}): set STYLEGAN_CACHE to a folder on another disk`,
      );
    }
    writeSafetensors(this.#fileOf(key), tensors, { key: JSON.stringify(key) });
  }

  #fileOf(key: StatisticsKey): string {
    const sorted = JSON.stringify([formatVersion, { ...key, keep: [...key.keep].sort() }]);
    const hash = createHash("sha256").update(sorted).digest("hex").slice(0, 32);
    return join(this.#folder, `${hash}.safetensors`);
  }
}
