// stylegan serve: what it does.

import { once } from "node:events";
import { existsSync } from "node:fs";
import { serve } from "../../server/server.js";
import { UserError } from "../../system/errors.js";
import { isDirectory } from "../../system/files.js";

interface Options {
  port?: number;
  host?: string;
  private?: boolean;
}

export async function run(folder: string, options: Options): Promise<void> {
  if (existsSync(folder) && !isDirectory(folder))
    throw new UserError(`${folder} is a file; give the folder of runs, or of one run`);
  const { port, host, private: isPrivate } = options;
  const server = await serve({ folder, port, host, isPrivate });
  if (!existsSync(folder))
    process.stderr.write(`There is no ${folder} yet; the page shows runs as soon as there are some.\n`);
  process.stdout.write(`${server.url}\nCtrl-C ends it.\n`);
  const signal = await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  await server.close();
  process.exitCode = signal[0] === "SIGTERM" ? 143 : 130;
}
