export function webKey(root: string): string;
