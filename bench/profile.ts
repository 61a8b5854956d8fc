// Where the time of a phase goes: by operator, and by operator and shape.

import { type OperatorTime, startProfile, stopProfile } from "../src/torch/runtime.js";

/** A row of the table: an operator (with shapes, or summed up over all of them) and its share of the phase. */
interface Row {
  label: string;
  count: number;
  seconds: number;
}

/** Runs `body` and returns what each operator took in it. */
export function profile(body: () => void): { operators: OperatorTime[]; seconds: number } {
  startProfile();
  const start = performance.now();
  let operators: OperatorTime[];
  try {
    body();
  } finally {
    operators = stopProfile();
  }
  return { operators, seconds: (performance.now() - start) / 1000 };
}

/** The table of a phase: operators summed up over shapes, then the `rows` largest by shape. */
export function profileTable({ operators, seconds }: ReturnType<typeof profile>, rows: number): string {
  const inside = operators.reduce((sum, operator) => sum + operator.seconds, 0);
  const line = ({ label, count, seconds: own }: Row) =>
    `  ${(own * 1000).toFixed(1).padStart(8)} ms ${((100 * own) / seconds).toFixed(1).padStart(5)} % ${String(count).padStart(5)} x  ${label}`;
  const outside = { label: "outside of libtorch", count: 1, seconds: seconds - inside };
  const byOperator = [...summed(operators, ({ operator }) => operator), outside];
  const byShape = summed(
    operators,
    ({ operator, shapes }) => `${operator} ${shapes.map((shape) => `[${shape.join(", ")}]`).join(" ")}`,
  );
  const largest = (list: Row[]) => list.sort((a, b) => b.seconds - a.seconds).slice(0, rows);
  return [...largest(byOperator).map(line), "  by shape:", ...largest(byShape).map(line)].join("\n");
}

function summed(operators: readonly OperatorTime[], label: (operator: OperatorTime) => string): Row[] {
  const rows = new Map<string, Row>();
  for (const operator of operators) {
    const key = label(operator);
    const row = rows.get(key) ?? { label: key, count: 0, seconds: 0 };
    row.count += operator.count;
    row.seconds += operator.seconds;
    rows.set(key, row);
  }
  return [...rows.values()];
}
