// The page of `stylegan train --serve`.

import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { SessionTraining } from "../../protocol/api.js";
import type { FromChild, ToChild } from "../../server/child.js";
import { UserError } from "../../system/errors.js";

/** The page of a training, served by a process of its own. */
export interface TrainingPage {
  /** The page's address, with the token. */
  url: string;
  show(training: SessionTraining): void;
  /** Lets the page end; it may take a second more to tell its readers. */
  close(): void;
}

/** @throws UserError when the port is taken */
export async function serveTraining(options: {
  folder: string;
  port?: number | undefined;
}): Promise<TrainingPage> {
  const child = fork(fileURLToPath(new URL("../../server/child.js", import.meta.url)), {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const send = (message: ToChild) => {
    // A page that has died must not end the training.
    if (child.connected) child.send(message, () => {});
  };
  child.on("error", () => {});
  send({ type: "serve", ...options });
  const [answer] = (await Promise.race([once(child, "message"), once(child, "exit")])) as [
    FromChild | number,
  ];
  if (typeof answer !== "object" || answer === null) throw new Error("the page's server has not started");
  if (answer.type === "failed") {
    if (answer.userError) throw new UserError(answer.message.replace("--port", "--serve"));
    throw new Error(answer.message);
  }
  return {
    url: answer.url,
    show: (training) => send({ type: "training", training }),
    close: () => {
      if (child.connected) child.disconnect();
      child.unref();
    },
  };
}
