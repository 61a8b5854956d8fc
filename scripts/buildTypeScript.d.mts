export function typeScriptKey(root: string): string;
