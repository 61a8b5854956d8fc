// Which file the addon is: the checkout's build, or, of a package that npm installed, the one in the user's cache folder, which the
// first program that computes has scripts/engine.mjs make.

import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { z } from "zod";
import { UserError } from "../system/errors.js";
import { packageRoot, packageVersion } from "../system/packageRoot.js";

/** Whether packages of the system may be installed: a program says so, a person is asked, or not. */
export type Consent = "yes" | "ask" | "no";

/** engine.json, as scripts/engine.mjs writes it. */
const engineFileSchema = z.object({
  addon: z.string(),
  libtorch: z.string().nullable(),
  python: z.string().nullable(),
  /** Files, and what they were when the addon was made. */
  watched: z.array(z.tuple([z.string(), z.string()])),
});

let consent: Consent = "no";

/** A library never asks; the command line does. */
export function setConsent(given: Consent): void {
  consent = given;
}

/** Whether this is a checkout, whose set-up builds the addon. */
export function isCheckout(): boolean {
  return existsSync(join(packageRoot(), "src"));
}

/**
 * The file of the addon; set up by the first call in an installed package, which can take minutes.
 * @throws UserError with one line where that fails
 */
export function addonFile(): string {
  // The variable names another build of it, as `npm run test:sanitize` does.
  const given = process.env.STYLEGAN_ADDON;
  if (given !== undefined) return given;
  if (isCheckout()) return join(packageRoot(), "build", "native", "stylegan.node");
  return readyEngine() ?? setUpEngine();
}

/** Whether what computes could begin without set-up. */
export function engineIsReady(): boolean {
  return isCheckout() || process.env.STYLEGAN_ADDON !== undefined || readyEngine() !== undefined;
}

/** Makes the engine, whatever is there already. @throws UserError with one line where that fails */
export function setUpEngine(): string {
  const script = join(packageRoot(), "scripts", "engine.mjs");
  // Its words go to standard error: what a program prints stays its own.
  const { status } = spawnSync(process.execPath, [script, consent], { stdio: ["inherit", 2, 2] });
  const addon = status === 0 ? readyEngine() : undefined;
  if (addon === undefined) throw new UserError("libtorch is not set up; the reason is above.");
  return addon;
}

/** The addon that was made for the libtorch that is there now. */
function readyEngine(): string | undefined {
  const made = engineFile();
  if (made === undefined) return undefined;
  const same =
    made.libtorch === (process.env.LIBTORCH || null) &&
    made.python === python() &&
    made.watched.every(([file, identity]) => identity === identityOf(file));
  return same && existsSync(made.addon) ? made.addon : undefined;
}

/** What was made; undefined where nothing was, or where the file is damaged: set-up makes it anew. */
function engineFile(): z.infer<typeof engineFileSchema> | undefined {
  try {
    return engineFileSchema.parse(JSON.parse(readFileSync(join(engineFolder(), "engine.json"), "utf8")));
  } catch {
    return undefined;
  }
}

/** As scripts/setup/buildFolder.mjs has it. */
function engineFolder(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return join(cache, "stylegan", `engine-${packageVersion()}-${process.platform}-${process.arch}`);
}

/** As scripts/setup/stamp.mjs has it. */
function identityOf(file: string): string {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats === undefined ? `${file} none` : `${file} ${stats.size} ${stats.mtimeMs}`;
}

function python(): string | null {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const file = join(folder, "python3");
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}
