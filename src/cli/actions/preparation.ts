// What is said before a training begins: what takes long, what is left out, and what nobody has chosen.

import type { Dataset } from "../../data/dataset.js";
import { balanceText, countText, shortLine } from "../../data/survey/reportText.js";
import { UserError } from "../../system/errors.js";
import { automatic } from "../../training/auto.js";
import type { RunListener } from "../../training/run.js";
import { calledAs } from "../calledAs.js";
import { duration } from "../progress.js";
import type { TrainingPage } from "./serveTraining.js";
import { printSkipped } from "./skippedFiles.js";

export type Preparation = Required<Pick<RunListener, "preparing" | "opened" | "measuring" | "planned">>;

const day = 24 * 3600;

/** @param choices mayTakeDays: the user has chosen the length, or said yes to whatever it takes */
export function preparation(
  page: TrainingPage | undefined,
  { mayTakeDays }: { mayTakeDays: boolean },
): Preparation {
  const { stdout } = process;
  let shown = 0;
  return {
    preparing({ source, done, total }) {
      const now = performance.now();
      if (total !== null && done !== total && now - shown < (stdout.isTTY ? 100 : 10_000)) return;
      shown = now;
      page?.show({ state: "preparing", source, done, total });
      if (total === null) return;
      const line = `preparing pictures ${done}/${total}`;
      stdout.write(stdout.isTTY ? `\r${line}${done === total ? "\n" : ""}` : `${line}\n`);
    },
    opened(dataset: Dataset) {
      printSkipped(dataset.skipped);
      for (const line of seenLines(dataset)) stdout.write(`${line}\n`);
    },
    measuring({ cfg, network }) {
      stdout.write(`--cfg ${automatic}: ${cfg} at ${network.config.resolution} px. Measuring some steps …\n`);
    },
    planned({ config: { kimg }, plan: { secPerKimg, seconds } }) {
      const time = `${kimg} kimg take about ${seconds > 2 * day ? `${Math.round(seconds / day)} days` : duration(seconds)} here (${secPerKimg.toFixed(1)} sec/kimg)`;
      if (seconds > day && !mayTakeDays)
        throw new UserError(
          `${time}: add --yes to start that, --kimg for a length of your own, or a smaller --resolution`,
        );
      stdout.write(`${time}. --kimg sets another length; Ctrl-C ends it at any time, with a snapshot.\n`);
    },
  };
}

/** What those who train should know of their pictures, told when these are prepared; of the classes always. */
function seenLines(dataset: Dataset): string[] {
  const { source, seen, classNames } = dataset;
  const short = seen && shortLine(seen);
  const classes = new Map(classNames.map((name) => [name, 0]));
  for (let i = 0; i < dataset.length && classes.size > 0; i++) {
    const name = classNames[dataset.label(i)] as string;
    classes.set(name, (classes.get(name) ?? 0) + 1);
  }
  return [
    ...(short === undefined
      ? []
      : [`Among the pictures: ${short}. Which: ${calledAs()} dataset ${source} --check`]),
    ...(classes.size > 0 ? [`${classes.size} classes: ${countText(classes)}${balanceText(classes)}`] : []),
  ];
}
