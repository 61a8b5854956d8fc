// stylegan import

import type { Command } from "commander";
import { whenRun } from "./whenRun.js";

const help = `
Files that it reads, without running anything in them:
  .pkl          StyleGAN2 networks of NVIDIA's stylegan2-ada-pytorch and stylegan3
  .pt           checkpoints of the widely used PyTorch port of StyleGAN2 (g, d, g_ema, latent_avg)
  .pt, .safetensors
                weights of labml.ai's minimal StyleGAN2 (mapping, generator, discriminator)
Every --network takes such a file directly; a snapshot opens faster and says what it is.

Example:
  stylegan import ffhq.pkl --out ffhq.safetensors
`;

export function addImport(program: Command): void {
  program
    .command("import")
    .summary("make a snapshot of another program's networks")
    .description("Writes the networks of another program as a network snapshot of this one.")
    .argument("<file>", "a file of another program")
    .requiredOption("--out <file>", "the snapshot to write, for example network.safetensors")
    .addHelpText("after", help)
    .action(whenRun(() => import("./actions/import.js")));
}
