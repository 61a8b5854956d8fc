export function withLock<T>(root: string, work: () => Promise<T>, options?: { pollMs?: number }): Promise<T>;
