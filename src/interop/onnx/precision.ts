/** The types that activations and the weights of convolutions of an exported network can have. */
export const precisions = ["float32", "float16"] as const;
export type Precision = (typeof precisions)[number];
