// The built pages' files. The browser's engine (40 MB) is another package's: an installed one has it from there, if it is there.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { UserError } from "./errors.js";
import { packageRoot } from "./packageRoot.js";

const require = createRequire(import.meta.url);

/** Of the pages that Vite has built. */
export function webFolder(): string {
  return join(packageRoot(), "dist", "web");
}

/** Files of the engine as pages name them: Vite puts a hash of the content behind the name. */
export const engineNames = /ort-wasm-simd-threaded(?:\.[a-z]+)?-[\w-]{8}\.wasm/g;

/**
 * The file of the browser's engine that a page names.
 * @throws UserError when the package that has it is not installed
 */
export function browserEngineFile(name: string): string {
  const built = join(webFolder(), "assets", name);
  if (existsSync(built)) return built;
  const own = `${name.slice(0, -"-12345678.wasm".length)}.wasm`;
  for (const look of [require, createRequire(join(process.cwd(), "package.json"))]) {
    try {
      return join(dirname(look.resolve("onnxruntime-web")), own);
    } catch {
      // Not installed there.
    }
  }
  throw new UserError(
    "pages that compute in the browser need its engine, a package of its own. Run: npm install onnxruntime-web@1.30.0",
  );
}
