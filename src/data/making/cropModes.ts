/** What a picture of another shape becomes, by name; --help tells the texts. */
export const cropModes = {
  centre: "the largest part around the centre",
  "centre-wide": "the same of a wide --resolution, then bars to a square (NVIDIA's center-crop-wide)",
  attention: "the part with the most edges, strong colours and skin",
  entropy: "the part with the most detail",
  pad: "all of the picture, with bars",
  none: "all of the picture, stretched",
} as const;

export type CropMode = keyof typeof cropModes;
