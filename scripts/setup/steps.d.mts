import type { Compiler } from "../findCompiler.d.mts";
import type { PythonAnswer, Torch } from "../findTorch.d.mts";
import type { SystemPackage } from "./systemPackages.d.mts";

export interface State {
  packages: boolean;
  missing: SystemPackage[];
  native: boolean;
  typescript: boolean;
  web: boolean;
  torch: Torch | null;
  compiler: Compiler | null;
  notes: string[];
  python: PythonAnswer | undefined;
}
export function inspect(
  root: string,
  options?: { env?: NodeJS.ProcessEnv; systemPrefixes?: readonly string[] },
): Promise<State>;
export function leftToDo(state: State): string[];
