// Affine maps of the plane, as the two rows of [x', y'] = M [x, y, 1].

/** [a, b, tx, c, d, ty]: x' = a x + b y + tx, y' = c x + d y + ty. */
export type Affine = readonly [number, number, number, number, number, number];

export const identity: Affine = [1, 0, 0, 0, 1, 0];

export const scaling = (x: number, y: number): Affine => [x, 0, 0, 0, y, 0];
export const translation = (x: number, y: number): Affine => [1, 0, x, 0, 1, y];
export const rotation = (angle: number): Affine => {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return [cos, -sin, 0, sin, cos, 0];
};

/** `first`, then `then`. */
export function compose(then: Affine, first: Affine): Affine {
  const [a, b, tx, c, d, ty] = then;
  const [e, f, ux, g, h, uy] = first;
  return [
    ...([a * e + b * g, a * f + b * h, a * ux + b * uy + tx] as const),
    ...([c * e + d * g, c * f + d * h, c * ux + d * uy + ty] as const),
  ];
}

export function apply([a, b, tx, c, d, ty]: Affine, x: number, y: number): [x: number, y: number] {
  return [a * x + b * y + tx, c * x + d * y + ty];
}

export function isIdentity(map: Affine): boolean {
  return map.every((value, i) => value === identity[i]);
}
