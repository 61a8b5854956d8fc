// What is shown, as the part of an address after #, so that a link leads to the same picture.

import type { View } from "./messages.js";

export function viewToHash({ seed, classIndex, truncationPsi, noise, mixSeed, layers }: View): string {
  const values: Record<string, string> = { seed: String(seed) };
  if (classIndex !== 0) values.class = String(classIndex);
  if (truncationPsi !== 1) values.trunc = String(truncationPsi);
  if (!noise) values.noise = "0";
  if (layers.length > 0) {
    values.mix = String(mixSeed);
    values.layers = layers.map((layer) => layer + 1).join(".");
  }
  return `#${new URLSearchParams(values)}`;
}

/** The values that are there and make sense. */
export function viewFromHash(hash: string): Partial<View> {
  const values = new URLSearchParams(hash.replace(/^#/, ""));
  const view: Partial<View> = {};
  const whole = (name: string) => {
    const text = values.get(name) ?? "";
    return /^\d{1,10}$/.test(text) && Number(text) <= 0xffffffff ? Number(text) : undefined;
  };
  const seed = whole("seed");
  if (seed !== undefined) view.seed = seed;
  const classIndex = whole("class");
  if (classIndex !== undefined) view.classIndex = classIndex;
  const psi = Number.parseFloat(values.get("trunc") ?? "");
  if (psi >= -1 && psi <= 1.5) view.truncationPsi = psi;
  if (values.get("noise") === "0") view.noise = false;
  const mixSeed = whole("mix");
  if (mixSeed !== undefined) {
    view.mixSeed = mixSeed;
    const layers = (values.get("layers") ?? "").split(".").map(Number);
    view.layers = [...new Set(layers.filter((layer) => Number.isInteger(layer) && layer > 0))]
      .sort((a, b) => a - b)
      .map((layer) => layer - 1);
  }
  return view;
}
