// What augmentation there is, by name. No imports: the command line's help needs nothing else.

/** `ada`: as strongly as the discriminator needs it; `fixed`: with a probability that stays; `diffaug`: DiffAugment. */
export const augmentModes = ["none", "ada", "fixed", "diffaug"] as const;

/** The groups of augmentations that a pipeline applies, by its name. */
export const pipelines = {
  blit: ["blit"],
  geom: ["geom"],
  color: ["color"],
  filter: ["filter"],
  noise: ["noise"],
  cutout: ["cutout"],
  bg: ["blit", "geom"],
  bgc: ["blit", "geom", "color"],
  bgcf: ["blit", "geom", "color", "filter"],
  bgcfn: ["blit", "geom", "color", "filter", "noise"],
  bgcfnc: ["blit", "geom", "color", "filter", "noise", "cutout"],
} as const;

export type PipelineName = keyof typeof pipelines;
export const pipelineNames = Object.keys(pipelines) as PipelineName[];
