export function blasKind(file: string): "fast" | "reference";
