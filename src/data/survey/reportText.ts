// What was found in a set of pictures, in lines for a terminal.

import { type Finding, type FindingCounts, findingNames, findings } from "./findings.js";
import type { Survey } from "./survey.js";

/** Files of a finding that are named. */
const mostNamed = 3;
/** Kinds of a count that are named. */
const mostKinds = 8;
const labelWidth = 12;

/** All that a look at a set tells; `resolution` is the shorter side that it is to have. */
export function surveyLines(survey: Survey, resolution: number): string[] {
  const { pictures, formats, colours, shapes, sizes, classes } = survey;
  const unreadable = survey.of("unreadable").length;
  const line = (label: string, text: string) => `${label.padEnd(labelWidth)}${text}`;
  const commonest = [...sizes].sort(([, a], [, b]) => b - a)[0];
  const smaller = survey.smallerThan(resolution);
  const found = findingNames.filter((name) => survey.of(name).length > 0);
  return [
    line(
      "pictures",
      unreadable > 0 ? `${pictures}, and ${unreadable} that cannot be read` : String(pictures),
    ),
    line("formats", countText(formats)),
    line("colours", countText(colours)),
    line("shapes", countText(shapes)),
    line(
      "sizes",
      `shorter sides from ${survey.shorterSide(0)} to ${survey.shorterSide(1)} px; nine tenths have ${survey.shorterSide(0.1)} or more${commonest && commonest[1] > 1 ? `; ${commonest[1]} are ${commonest[0]}` : ""}`,
    ),
    ...(smaller > 0 ? [line("", `${smaller} have less than ${resolution} px and are enlarged`)] : []),
    ...(classes ? [line("classes", `${classes.size}: ${countText(classes)}${balanceText(classes)}`)] : []),
    ...(found.length === 0 ? [line("found", "nothing to complain of")] : []),
    ...found.flatMap((name, index) => [
      line(index === 0 ? "found" : "", `${findings[name].title}: ${survey.of(name).length}`),
      ...(name === "unreadable" ? reasonLines(survey) : namedFiles(survey, name)).map((text) =>
        line("", `  ${text}`),
      ),
    ]),
  ];
}

/** The largest first: `JPEG 12, PNG 3`. */
export function countText(counts: ReadonlyMap<string, number>): string {
  const kinds = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const named = kinds.slice(0, mostKinds).map(([kind, number]) => `${kind} ${number}`);
  const others = kinds.length - named.length;
  return `${named.join(", ")}${others > 0 ? `, and ${others} more` : ""}`;
}

/** Where the largest class has so many times as many pictures as the smallest, it is said. */
const unbalanced = 3;

/** A word on classes of very different sizes. */
export function balanceText(classes: ReadonlyMap<string, number>): string {
  const [smallest, most] = [...classes]
    .sort(([, a], [, b]) => a - b)
    .filter((_, i, all) => i === 0 || i === all.length - 1);
  if (smallest === undefined || most === undefined || most[1] < unbalanced * smallest[1]) return "";
  return `; ${most[0]} has ${(most[1] / smallest[1]).toFixed(0)} times as many as ${smallest[0]} (${smallest[1]})`;
}

function namedFiles(survey: Survey, name: Finding): string[] {
  const all = survey.of(name);
  const isPair = name === "duplicates" || name === "near-duplicates";
  const named = all
    .slice(0, mostNamed)
    .map(({ file, note }) => (note === undefined ? file : isPair ? `${file} = ${note}` : `${file}: ${note}`));
  return all.length > mostNamed ? [...named, `… and ${all.length - mostNamed} more`] : named;
}

/** What cannot be read, by the reason: the most frequent first. */
function reasonLines(survey: Survey): string[] {
  const reasons = new Map<string, string[]>();
  for (const { file, note = "" } of survey.of("unreadable")) {
    // Sizes and positions in a reason do not make it another.
    const kind = note.replace(/\d+/g, "#");
    reasons.set(kind, [...(reasons.get(kind) ?? []), file]);
  }
  const notes = new Map(survey.of("unreadable").map(({ file, note = "" }) => [file, note]));
  const all = [...reasons.values()].sort((a, b) => b.length - a.length);
  const lines = all.slice(0, mostKinds).map(([first = "", ...others]) => {
    const more = others.length > 0 ? ` and ${others.length} more` : "";
    return `${first}${more}: ${notes.get(first)}`;
  });
  return all.length > mostKinds ? [...lines, `… and ${all.length - mostKinds} more reasons`] : lines;
}

/** One line for those who train: what is wrong with a set, if anything is. */
export function shortLine(counts: FindingCounts): string | undefined {
  const said: Partial<Record<Finding, string>> = {
    duplicates: "copies of others",
    "near-duplicates": "nearly the same as others",
    blank: "of one colour",
    tiny: "tiny",
  };
  const parts = findingNames.flatMap((name) =>
    said[name] !== undefined && counts[name] ? [`${counts[name]} ${said[name]}`] : [],
  );
  return parts.length === 0 ? undefined : parts.join(", ");
}
