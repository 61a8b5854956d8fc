// Which numbers an option takes, and how that is said.

export interface NumberRange {
  min: number;
  /** Default: no upper bound. */
  max?: number | undefined;
  /** `min` itself is not allowed. */
  aboveMin?: boolean | undefined;
  whole?: boolean | undefined;
}

export const above0: NumberRange = { min: 0, aboveMin: true };

export function isInRange({ min, max, aboveMin, whole }: NumberRange, value: number): boolean {
  return (
    Number.isFinite(value) &&
    value >= min &&
    value <= (max ?? value) &&
    !(aboveMin && value === min) &&
    !(whole && !Number.isSafeInteger(value))
  );
}

/** "a number above 0", "a whole number from 1 to 5" */
export function rangeText({ min, max, aboveMin, whole }: NumberRange): string {
  const kind = whole ? "a whole number" : "a number";
  const lower = aboveMin ? `above ${min}` : `from ${min}`;
  const upper = max !== undefined ? ` to ${max}` : aboveMin ? "" : " on";
  return `${kind} ${lower}${upper}`;
}
