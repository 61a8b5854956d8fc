// stylegan setup

import type { Command } from "commander";
import { whenRun } from "./whenRun.js";

const help = `
What computes is libtorch: that of $LIBTORCH, of the python3 on the PATH or of the system, with an addon that is compiled
for it once, into your cache folder. Every command that computes sets it up when it is needed; this one does it ahead.

Examples:
  stylegan setup
  stylegan setup --yes
`;

export function addSetup(program: Command): void {
  program
    .command("setup")
    .summary("set up what computes, ahead of its first use")
    .description("Finds or installs libtorch and compiles what connects it with this program.")
    .addHelpText("after", help)
    .action(whenRun(() => import("./actions/setup.js")));
}
