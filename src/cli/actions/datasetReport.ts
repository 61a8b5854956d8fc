// What `dataset` tells of the pictures that it has looked at.

import type { ImageSource } from "../../data/imageSource.js";
import type { CropOptions } from "../../data/making/crop.js";
import { contactSheet } from "../../data/survey/contactSheet.js";
import type { Finding } from "../../data/survey/findings.js";
import { reportPage, sheetPictures, shownFiles } from "../../data/survey/reportPage.js";
import { surveyLines } from "../../data/survey/reportText.js";
import type { Survey } from "../../data/survey/survey.js";
import { thumbnails } from "../../data/survey/surveySource.js";
import { writeFileAtomically } from "../../system/atomicFile.js";
import { permutation } from "../../system/random.js";
import { type Advice, adviceFor } from "../../training/advice.js";

/** What most sets are better without. */
const worthDropping: readonly Finding[] = ["tiny", "blank", "duplicates", "near-duplicates"];

/** What suits the pictures that are left without copies and what shows nothing. */
export function adviceOn(survey: Survey): Advice {
  const useless = survey.filesWith(worthDropping).size;
  const { isSided } = survey;
  return adviceFor({ pictures: survey.pictures - useless, shorterSide: survey.shorterSide(0.1), isSided });
}

export interface ReportOptions {
  /** The shorter side that the set is to have. */
  resolution: number;
  /** What to train on. */
  data: string;
  program: string;
}

export function reportLines(survey: Survey, { resolution, data, program }: ReportOptions): string[] {
  const found = worthDropping.filter((name) => survey.of(name).length > 0);
  return [
    ...surveyLines(survey, resolution),
    ...(found.length > 0 ? [`Leave them out with: --drop ${found.join(",")}`] : []),
    ...adviceLines(adviceOn(survey), { data, program, isConditional: survey.classes !== undefined }),
  ];
}

function adviceLines(
  advice: Advice,
  { data, program, isConditional }: { data: string; program: string; isConditional: boolean },
): string[] {
  const { resolution, mirror, aug, kimg, reasons } = advice;
  const flags = `${mirror ? " --mirror" : ""}${aug ? " --aug ada" : ""}${isConditional ? " --cond" : ""}`;
  const command = (device: "cpu" | "gpu") =>
    `${program} train --data ${data} --resolution ${resolution[device]}${flags}`;
  return [
    "",
    "What suits them, on a processor and on a graphics card:",
    `  ${command("cpu")}`,
    `  ${command("gpu")} --kimg ${kimg} --device cuda`,
    ...reasons.map((reason) => `  ${reason}`),
  ];
}

/** Writes NAME.html and NAME.png; says where they are. */
export async function writeReport(
  name: string,
  about: { source: ImageSource; survey: Survey; crop: CropOptions; text: readonly string[] },
): Promise<string> {
  const { source, survey, crop, text } = about;
  const unreadable = survey.filesWith(["unreadable"]);
  const readable = source.images.map(({ path }) => path).filter((path) => !unreadable.has(path));
  const chosen = permutation(readable.length, 0, 0).slice(0, sheetPictures).sort();
  const sheet = [...chosen].map((index) => readable[index] as string);
  const small = await thumbnails(source, [...sheet, ...shownFiles(survey)], crop);
  const rasters = sheet.flatMap((file) => small.get(file) ?? []);
  writeFileAtomically(`${name}.png`, await contactSheet(rasters));
  const page = await reportPage({ title: source.name, survey, text, sheet, thumbnails: small });
  writeFileAtomically(`${name}.html`, page);
  return `${name}.html and ${name}.png: what was found, in pictures`;
}
