// stylegan serve

import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Command, Option } from "commander";
import type { SessionTraining } from "../protocol/api.js";
import type { FromChild, ToChild } from "../server/child.js";
import { defaultPort, serve } from "../server/server.js";
import { UserError } from "../system/errors.js";
import { isDirectory } from "../system/files.js";
import { integerFrom } from "./values.js";

const example = `
Examples:
  stylegan serve
  stylegan serve runs/00000-emoji-smileys-stylegan2-small-32 --port 8080

The address that it prints holds a token: whoever opens it can pause, stop and change runs that train. Without the token
the page only shows. The server listens on this machine alone unless --host says otherwise; then everyone who reaches
the port can look, unencrypted.
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
    .addHelpText("after", example)
    .action(run);
}

async function run(folder: string, options: { port?: number; host?: string }): Promise<void> {
  if (existsSync(folder) && !isDirectory(folder))
    throw new UserError(`${folder} is a file; give the folder of runs, or of one run`);
  const server = await serve({ folder, ...options });
  if (!existsSync(folder))
    process.stderr.write(`There is no ${folder} yet; the page shows runs as soon as there are some.\n`);
  process.stdout.write(`${server.url}\nCtrl-C ends it.\n`);
  const signal = await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  await server.close();
  process.exitCode = signal[0] === "SIGTERM" ? 143 : 130;
}

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
  const child = fork(fileURLToPath(new URL("../server/child.js", import.meta.url)), {
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
