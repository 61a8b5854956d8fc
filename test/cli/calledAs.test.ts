import { join } from "node:path";
import { expect, it } from "vitest";
import { calledAs } from "../../src/cli/calledAs.js";

const script = join(process.cwd(), "dist", "src", "cli", "main.js");

it.each([
  [{ npm_command: "exec" }, script, false, "npx stylegan"],
  [{ npm_command: "run-script", npm_lifecycle_event: "stylegan" }, script, true, "npm run stylegan --"],
  [{ npm_command: "start", npm_lifecycle_event: "start" }, script, true, "npm run stylegan --"],
  [{ npm_command: "run-script", npm_lifecycle_event: "faces" }, script, false, "npx stylegan"],
  [{}, "/usr/local/bin/stylegan", false, "stylegan"],
  [{}, script, true, "node dist/src/cli/main.js"],
  [{}, "/opt/a/main.js", false, "node /opt/a/main.js"],
])("with %j, %s (a checkout: %s) hints begin with %s", (env, file, checkout, expected) => {
  expect(calledAs({ env, script: file, checkout })).toBe(expected);
});
