/** The browser that the tests of the web pages run in: found, or on Debian installed. Only `npm test` needs it. */
import { SetupError } from "./console.mjs";
import { findOnPath, stoppable } from "./run.mjs";
import { advice, installSystemPackages, thisMachine } from "./systemPackages.mjs";

const programs = [
  "chromium",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/**
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {string | null} the program: `$CHROMIUM`, or a Chromium or Chrome of this machine
 */
export function findBrowser(env = process.env) {
  if (env.CHROMIUM !== undefined && env.CHROMIUM !== "") {
    const file = findOnPath(env.CHROMIUM, env);
    if (file === null)
      throw new SetupError(
        `$CHROMIUM is "${env.CHROMIUM}", and there is no such program. Mend it, or run: unset CHROMIUM`,
        {
          exitCode: 2,
        },
      );
    return file;
  }
  for (const name of programs) {
    const file = findOnPath(name, env);
    if (file !== null) return file;
  }
  return null;
}

/** Installs Chromium where there is no browser yet. */
export async function installBrowser() {
  if (findBrowser() !== null) return;
  const machine = thisMachine();
  await stoppable(() => installSystemPackages(["chromium"], machine));
  if (findBrowser() === null) throw new SetupError(advice(["chromium"], machine));
}
