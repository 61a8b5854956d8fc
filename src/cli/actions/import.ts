// stylegan import: what it does.

import { importSnapshot } from "../../interop/importSnapshot.js";
import { printNotes } from "./openNetwork.js";

export function run(file: string, { out }: { out: string }): void {
  const { info, networks, notes } = importSnapshot(file, out);
  printNotes(notes);
  const { architecture, config } = info.description;
  process.stdout.write(
    `${out}: ${architecture}, ${config.resolution} px, ${networks.join(", ")} from ${info.origin?.format}\n`,
  );
}
