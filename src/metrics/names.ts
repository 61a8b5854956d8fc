// The names of measures and what they mean, for what must not load the measures themselves.

const own = "in the features of a detector of one's own (features.pt or .onnx)";
const mobilenet = "in the features of a MobileNetV2 that comes with the program: not FID";
const path = "perceptual path length, how much pictures change when the latent moves:";

/** What each measure says: the names of NVIDIA's tools, `swd`, and those for other features than the published ones. */
export const metricTexts: Readonly<Record<string, string>> = {
  swd: "sliced Wasserstein distance of small neighbourhoods, in thousandths, at each resolution and their mean: 0 for equal sets",
  fid50k_full: "FID: Fréchet distance in Inception's features",
  kid50k_full: "KID: kernel distance in Inception's features",
  pr50k3_full:
    "share of fakes among the reals (precision), of reals among the fakes (recall), in VGG's features",
  is50k: "Inception score: how sure the classifier is of each picture, and how many classes come",
  ppl2_wend: `${path} in W, at the ends of paths`,
  fid50k: "FID against 50,000 reals, mirrored as in training",
  kid50k: "KID against 50,000 reals, mirrored as in training",
  pr50k3: "precision and recall against 50,000 reals, mirrored as in training",
  ppl_zfull: `${path} in Z, on whole paths, of the picture's centre`,
  ppl_wfull: `${path} in W, on whole paths, of the picture's centre`,
  ppl_zend: `${path} in Z, at the ends of paths, of the picture's centre`,
  ppl_wend: `${path} in W, at the ends of paths, of the picture's centre`,
  fd50k_full: `Fréchet distance ${own}`,
  kd50k_full: `kernel distance ${own}`,
  fd5k_mobilenet: `Fréchet distance ${mobilenet}`,
  kd5k_mobilenet: `kernel distance ${mobilenet}`,
  pr5k3_mobilenet: `precision and recall ${mobilenet}`,
};

/** metrics.ts has an entry for each. */
export const metricNames: readonly string[] = Object.keys(metricTexts);

/**
 * What a name stands for; null for no measure. `fid5k_full` is `fid50k_full` by 5,000 pictures, and so on: a number by other
 * pictures than the published ones never has the published name.
 */
export function parseMetricName(name: string): { published: string; images?: number } | null {
  if (metricNames.includes(name)) return { published: name };
  const [, family, thousands, rest] = /^([a-z]+)([1-9]\d{0,3})k(\w*)$/.exec(name) ?? [];
  const published = [`${family}50k${rest}`, `${family}5k${rest}`].find((known) =>
    metricNames.includes(known),
  );
  return published === undefined ? null : { published, images: Number(thousands) * 1000 };
}

export const isMetricName = (name: string): boolean => parseMetricName(name) !== null;
