// stylegan import

import { resolve } from "node:path";
import type { Command } from "commander";
import { openSnapshot } from "../interop/openSnapshot.js";
import {
  createNetwork,
  disposeAll,
  loadInto,
  type NetworkPrefix,
  networkPrefixes,
  stateOf,
  writeSnapshot,
} from "../networks/snapshot.js";
import { UserError } from "../system/errors.js";
import type { Module } from "../torch/module.js";
import { printNotes } from "./networkOptions.js";

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
    .action(run);
}

function run(file: string, { out }: { out: string }): void {
  if (resolve(file) === resolve(out))
    throw new UserError(`--out ${out} is the file itself; give another name`);
  const snapshot = openSnapshot(file);
  const networks: Partial<Record<NetworkPrefix, Module>> = {};
  try {
    const { info, shapes, notes, isOwn } = snapshot;
    if (isOwn) throw new UserError(`${file} is a network snapshot of this program already; use it as it is`);
    const prefixes = networkPrefixes(shapes);
    for (const prefix of prefixes) {
      const network = createNetwork(prefix, info.description);
      networks[prefix] = network;
      const tensors = snapshot.read([prefix]);
      try {
        loadInto(network, stateOf(tensors, prefix), file);
      } finally {
        disposeAll(tensors);
      }
    }
    writeSnapshot(out, networks, info);
    printNotes(notes);
    const { architecture, config } = info.description;
    process.stdout.write(
      `${out}: ${architecture}, ${config.resolution} px, ${prefixes.join(", ")} from ${info.origin?.format}\n`,
    );
  } finally {
    for (const network of Object.values(networks)) network.dispose();
    snapshot.close();
  }
}
