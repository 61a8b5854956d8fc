// stylegan info

import type { Command } from "commander";
import { whenRun } from "./whenRun.js";

const help = `
Examples:
  stylegan info runs/00000-emoji-smileys-stylegan2-small-32
  stylegan info ffhq.pkl
  stylegan info --spread runs/00000-emoji-smileys-stylegan2-minimal-small-32
`;

export function addInfo(program: Command): void {
  program
    .command("info")
    .summary("say what a file holds")
    .description("Says what a network file holds: architecture, sizes, classes, training, origin, layers.")
    .argument("<file>", "a network snapshot, a run's folder for its latest, or a file of another program")
    .option("--spread", "measure how far apart latents are, from w to pixels, in G_ema and in G")
    .option("--json", "print one line of JSON")
    .addHelpText("after", help)
    .action(whenRun(() => import("./actions/info.js")));
}
