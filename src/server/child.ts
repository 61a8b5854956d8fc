// The page's server as a process of its own beside a training, so that no step waits for a browser. It is talked to
// over the channel of `fork`, and ends soon after that closes.

import type { SessionTraining } from "../protocol/api.js";
import { UserError } from "../system/errors.js";
import { type RunningServer, serve } from "./server.js";

export type ToChild =
  | { type: "serve"; folder: string; port?: number | undefined }
  | { type: "training"; training: SessionTraining };

export type FromChild =
  | { type: "ready"; url: string }
  | { type: "failed"; message: string; userError: boolean };

// Long enough for the pages to be told of the training's end.
const lingerMs = 1500;

let server: RunningServer | undefined;

const tell = (message: FromChild) => process.send?.(message);

process.on("message", async (message: ToChild) => {
  if (message.type === "training") {
    server?.setTraining(message.training);
    return;
  }
  try {
    const { folder, port } = message;
    server = await serve({ folder, port });
    tell({ type: "ready", url: server.url });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    tell({ type: "failed", message: text, userError: error instanceof UserError });
    process.disconnect();
  }
});

// Ctrl-C reaches every process of the terminal; the training decides when it is over.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
process.once("disconnect", () => setTimeout(() => process.exit(), server ? lingerMs : 0));
