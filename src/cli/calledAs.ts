// How the program was called, for hints that can be typed again as they stand.

import { basename, relative } from "node:path";
import { isCheckout } from "../torch/addonFile.js";

export interface Call {
  env: NodeJS.ProcessEnv;
  /** The file that Node runs, as the shell found it. */
  script: string;
  /** Whether it runs from the project's own sources. */
  checkout: boolean;
}

/** What stands before a command's name: `npx stylegan`, `npm run stylegan --`, `stylegan` or `node …/main.js`. */
export function calledAs({
  env = process.env,
  script = process.argv[1] ?? "",
  checkout = isCheckout(),
}: Partial<Call> = {}): string {
  if (env.npm_command === "exec") return "npx stylegan";
  // `npm start` and `npm run stylegan`; scripts of another project's package.json cannot be given arguments to.
  if (env.npm_lifecycle_event !== undefined) return checkout ? "npm run stylegan --" : "npx stylegan";
  const name = basename(script);
  if (name === "stylegan") return "stylegan";
  const path = relative(process.cwd(), script);
  return `node ${path.length < script.length ? path : script}`;
}
