// For the tests, which are TypeScript: the types of the JSDoc comments in findTorch.mjs.
export const OLDEST_TORCH: string;
export interface Torch {
  origin: "LIBTORCH" | "python3" | "system";
  version: string;
  includeDirs: string[];
  libDirs: string[];
  rpath: string[];
  libs: string[];
  libFiles: string[];
  cxx11Abi: boolean;
  cuda: boolean;
  standard: "c++17" | "c++20";
}
export interface PythonAnswer {
  key: string;
  searched: string[];
  folder: string | null;
}
export function findTorch(options?: {
  env?: NodeJS.ProcessEnv;
  platform?: NodeJS.Platform;
  systemPrefixes?: readonly string[];
  cached?: PythonAnswer | undefined;
}): Promise<{ torch: Torch | null; python: PythonAnswer | undefined; notes: string[] }>;
export function isAtLeast(version: string, least: string): boolean;
