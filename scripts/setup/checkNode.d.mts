export function checkNode(root: string, version?: string): void;
