// Values inside of an object by their path: `penalty.r1Gamma`.

/** The value at `path`; undefined where there is none. */
export function valueAtPath(object: unknown, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], object);
}

/** A copy of `object` with `value` at `path`. */
export function withValueAt<T extends object>(object: T, path: string, value: unknown): T {
  const [first = "", ...rest] = path.split(".");
  const inner = (object as Record<string, unknown>)[first];
  const changed = rest.length === 0 ? value : withValueAt((inner ?? {}) as object, rest.join("."), value);
  return { ...object, [first]: changed };
}
