// libtorch as an engine: the addon. This is the only file that loads it, at its first use. Importing this file chooses it.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { UserError } from "../system/errors.js";
import { addonFile, isCheckout } from "./addonFile.js";
import { type Engine, type Handle, useEngine } from "./engine.js";

/** What libtorch has beyond an engine. */
export interface Libtorch extends Engine {
  setThreads(count: number): void;
  threads(): number;
  hasCuda(): boolean;
  version(): string;
  memoryInUse(): number[];
  hasKernels(instructionSet: string): boolean;
  selectKernels(instructionSet: string): string;
  buildConfiguration(): string;
  loadScript(file: string, device: string): number;
  callScript(module: number, input: Handle, names: readonly string[], flags: readonly boolean[]): Handle;
  disposeScript(module: number): boolean;
  startRecording(operators: readonly string[]): void;
  stopRecording(): string;
  startProfile(): void;
  stopProfile(): string;
}

let loaded: Libtorch | undefined;

/**
 * The addon; loaded by the first call.
 * @throws UserError with one line where it is not built or does not load
 */
export function libtorch(): Libtorch {
  loaded ??= load();
  return loaded;
}

useEngine(libtorch);

function load(): Libtorch {
  const file = addonFile();
  if (!existsSync(file))
    throw new UserError("The native addon is not built yet. Run `npm run setup` in the project's folder.");
  try {
    const addon = createRequire(import.meta.url)(file) as Libtorch;
    checkKernels(addon);
    return addon;
  } catch (error) {
    if (error instanceof UserError) throw error;
    if ((error as NodeJS.ErrnoException).code === "STYLEGAN_IN_USE")
      throw new UserError((error as Error).message, { cause: error });
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    const library = /(lib[\w.+-]+): cannot open shared object/.exec(reason ?? "")?.[1];
    const command = isCheckout() ? "npm run setup" : "npx stylegan setup";
    throw new UserError(
      library
        ? `The native addon needs ${library}, which is not on this machine any more. Run \`${command}\` to find or install libtorch again.`
        : `The native addon does not load (${reason}). Run \`${command}\` to build it again.`,
    );
  }
}

/** The addon reads `STYLEGAN_KERNELS` itself; a name that is none is told of here. */
function checkKernels(addon: Libtorch): void {
  const { STYLEGAN_KERNELS: name = "" } = process.env;
  if (name === "" || name === "off" || addon.hasKernels(name)) return;
  const available = ["avx512", "avx2", "baseline"].filter((set) => addon.hasKernels(set));
  throw new UserError(
    `STYLEGAN_KERNELS=${name}: this processor has ${available.join(", ")}; "off" goes without. Leave it out for the best.`,
  );
}
