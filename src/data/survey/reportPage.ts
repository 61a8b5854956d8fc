// What was found in a set of pictures, as one HTML file that needs nothing else.

import sharp from "sharp";
import { type Finding, findingNames, findings } from "./findings.js";
import type { Raster } from "./fingerprint.js";
import { countText } from "./reportText.js";
import type { Found, Survey } from "./survey.js";

/** Files of a finding that are shown. */
export const mostShown = 24;
/** Pictures of the contact sheet. */
export const sheetPictures = 120;

export interface ReportPage {
  /** The source's name. */
  title: string;
  survey: Survey;
  /** The lines of `surveyLines` and of the advice. */
  text: readonly string[];
  /** Files of the contact sheet. */
  sheet: readonly string[];
  thumbnails: ReadonlyMap<string, Raster>;
}

/** Which files the page shows beside its contact sheet. */
export function shownFiles(survey: Survey): string[] {
  return findingNames.flatMap((name) =>
    survey
      .of(name)
      .slice(0, mostShown)
      .flatMap((found) => [found.file, ...partner(name, found)]),
  );
}

const partner = (name: Finding, { note }: Found): string[] =>
  (name === "duplicates" || name === "near-duplicates") && note !== undefined ? [note] : [];

const style = `
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 84rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
pre { overflow-x: auto; line-height: 1.4; }
.pictures { display: flex; flex-wrap: wrap; gap: .4rem; }
figure { margin: 0; display: flex; flex-direction: column; gap: .2rem; }
figcaption { font-size: .7rem; max-width: 12.6rem; overflow-wrap: anywhere; opacity: .75; }
.pair { display: flex; gap: .2rem; }
img, .none { border-radius: 3px; background: #8883; }
.none { width: 96px; height: 96px; display: grid; place-items: center; font-size: .7rem; }
`;

export async function reportPage({ title, survey, text, sheet, thumbnails }: ReportPage): Promise<string> {
  const images = new Map<string, string>();
  for (const [file, raster] of thumbnails) images.set(file, await imageOf(raster));
  const picture = (file: string) => images.get(file) ?? '<div class="none">unreadable</div>';
  const figure = (files: readonly string[], caption: string) =>
    `<figure><div class="pair">${files.map(picture).join("")}</div><figcaption>${escaped(caption)}</figcaption></figure>`;
  const sections = findingNames
    .filter((name) => survey.of(name).length > 0)
    .map((name) => {
      const all = survey.of(name);
      const figures = all.slice(0, mostShown).map((found) => {
        const { file, note } = found;
        return figure([file, ...partner(name, found)], note === undefined ? file : `${file} — ${note}`);
      });
      const more = all.length > mostShown ? `, of which the first ${mostShown} are` : "";
      return `<h2>${escaped(findings[name].title)}: ${all.length}${more}</h2><div class="pictures">${figures.join("\n")}</div>`;
    });
  const classes = survey.classes ? `<p>Classes: ${escaped(countText(survey.classes))}</p>` : "";
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title><style>${style}</style></head><body>
<h1>${escaped(title)}</h1>
<pre>${escaped(text.join("\n"))}</pre>${classes}
<h2>${sheet.length} of the ${survey.pictures} pictures, as they are cropped</h2>
<div class="pictures">${sheet.map((file) => figure([file], file)).join("\n")}</div>
${sections.join("\n")}
</body></html>
`;
}

async function imageOf({ width, height, pixels }: Raster): Promise<string> {
  const file = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .webp({ quality: 80 })
    .toBuffer();
  return `<img src="data:image/webp;base64,${file.toString("base64")}" width="${width}" height="${height}" alt="" loading="lazy">`;
}

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => entities[character] as string);
}
