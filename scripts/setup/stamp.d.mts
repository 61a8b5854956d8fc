import type { PythonAnswer } from "../findTorch.d.mts";

export interface Stamp {
  packages?: string | undefined;
  python?: PythonAnswer | undefined;
  native?: string | undefined;
  typescript?: string | undefined;
  web?: string | undefined;
}
export function readStamp(root: string): Stamp;
export function updateStamp(root: string, changes: Stamp): void;
