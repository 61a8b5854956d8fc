// stylegan serve

import { type Command, Option } from "commander";
import { defaultPort } from "../server/port.js";
import { integerFrom } from "./values.js";
import { whenRun } from "./whenRun.js";

const example = `
Examples:
  stylegan serve
  stylegan serve runs/00000-emoji-smileys-stylegan2-small-32 --port 8080

The address that it prints holds a token: whoever opens it can pause, stop and change runs that train. Without the token
the page only shows, and computes little. The server listens on this machine alone unless --host says otherwise; then
everyone who reaches the port can look, unencrypted, and films need the token. --private puts looking behind it too.
`;

export const portNumber = integerFrom(0, 65535);

export function addServe(program: Command): void {
  program
    .command("serve")
    .summary("watch and steer runs and explore generators, in a browser")
    .description("Serves a page that shows the runs in a folder, live while they train.")
    .argument("[runs]", "the folder of runs, or one run", "runs")
    .addOption(
      new Option("--port <n>", `port to listen on (default: ${defaultPort} or the next free one)`).argParser(
        portNumber,
      ),
    )
    .option(
      "--host <address>",
      "address to listen on, for example 0.0.0.0 for all (default: this machine alone)",
    )
    .option("--private", "looking needs the token as well")
    .addHelpText("after", example)
    .action(whenRun(() => import("./actions/serve.js")));
}
