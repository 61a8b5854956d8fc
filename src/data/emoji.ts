import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { z } from "zod";
import { UserError } from "../system/errors.js";
import { comparePaths, type ImageSource } from "./imageSource.js";

const packages = ["@lobehub/fluent-emoji-3d", "emojibase-data"];

/** A file of one of the packages: beside this one, or of the folder that the program is used in. */
function fileOf(name: string): string {
  for (const place of [import.meta.url, join(process.cwd(), "package.json")]) {
    try {
      return createRequire(place).resolve(name);
    } catch {
      // Not installed there.
    }
  }
  throw new UserError(
    `the emoji are packages of their own (74 MB). Run: npm install ${packages.join(" ")}, or give --data a folder of pictures`,
  );
}

const groupsSchema = z.object({
  groups: z.record(z.string(), z.string()),
  subgroups: z.record(z.string(), z.string()),
});
const emojiSchema = z.object({
  hexcode: z.string(),
  group: z.number().optional(),
  subgroup: z.number().optional(),
  skins: z.array(z.object({ hexcode: z.string() })).optional(),
});

interface Kind {
  readonly group: string;
  readonly subgroup: string;
}

/**
 * Microsoft's Fluent emoji (3,391 pictures), or one group of them:
 *
 * - `smileys`, `people`, `animals`, `food`, `travel`, `activities`, `objects`, `symbols`, `flags`: the groups
 *   of Unicode, with the skin tones of each picture; `smileys` is `smileys-emotion`, hearts and cats included.
 * - `faces`: the round ones among the smileys, the easiest set to learn.
 * - any subgroup of Unicode by its name, such as `animal-bird`.
 *
 * Classes are the groups, or the subgroups where one group was asked for.
 */
export async function openEmoji(group?: string): Promise<ImageSource> {
  const packageFile = fileOf("@lobehub/fluent-emoji-3d/package.json");
  const { version } = await readJson(packageFile, z.object({ version: z.string() }));
  const folder = join(dirname(packageFile), "assets");
  const kinds = await readKinds();

  const files = (await readdir(folder)).filter((file) => file.endsWith(".webp"));
  const kindOf = (file: string) => kinds.get(codePoints(file.slice(0, -".webp".length)));
  const selected = files.filter((file) => {
    const kind = kindOf(file);
    return group === undefined || (kind !== undefined && isIn(kind, group));
  });
  if (selected.length === 0) throw unknownGroup(group ?? "", files.map(kindOf));

  return {
    name: group === undefined ? "emoji" : `emoji-${group}`,
    ownSize: false,
    images: selected
      .map((path) => ({ path, identity: version, bytes: 0, read: () => readFile(join(folder, path)) }))
      .sort(comparePaths),
    skipped: [],
    className: (path) => kindOf(path)?.[group === undefined ? "group" : "subgroup"],
    close() {},
  };
}

function isIn(kind: Kind, group: string): boolean {
  return group === kind.group || group === kind.subgroup || (group === "faces" && isRoundFace(kind.subgroup));
}

/** `face-costume` holds ghosts and robots, `face-negative` skulls and horned heads. */
function isRoundFace(subgroup: string): boolean {
  return subgroup.startsWith("face-") && subgroup !== "face-costume" && subgroup !== "face-negative";
}

function unknownGroup(group: string, kinds: readonly (Kind | undefined)[]): UserError {
  const groups = [...new Set(kinds.map((kind) => kind?.group))].filter((name) => name !== undefined).sort();
  return new UserError(
    `there is no emoji group "${group}": use one of faces, ${groups.join(", ")}, or a Unicode subgroup such as animal-bird`,
  );
}

/** What each emoji is, by its normalized code points. Skin tones are what their base is. */
async function readKinds(): Promise<Map<string, Kind>> {
  const { groups, subgroups } = await readJson(fileOf("emojibase-data/meta/groups.json"), groupsSchema);
  const emoji = await readJson(fileOf("emojibase-data/en/data.json"), z.array(emojiSchema));
  const kinds = new Map<string, Kind>();
  for (const { hexcode, group, subgroup, skins = [] } of emoji) {
    const groupName = groups[String(group)];
    const subgroupName = subgroups[String(subgroup)];
    if (groupName === undefined || subgroupName === undefined) continue; // single letters of flags
    const kind = { group: groupName.replace(/-.*/, ""), subgroup: subgroupName };
    for (const code of [hexcode, ...skins.map((skin) => skin.hexcode)]) kinds.set(codePoints(code), kind);
  }
  return kinds;
}

/** Code points that say how to draw or where to end, and that only one of the two packages writes. */
const OPTIONAL_CODES = new Set(["fe0f", "e007f"]);

/** Code points in one spelling: the two packages differ in case, leading zeros, separators and optional codes. */
function codePoints(hexcode: string): string {
  return hexcode
    .toLowerCase()
    .split(/[-_]/)
    .map((code) => code.replace(/^0+/, ""))
    .filter((code) => !OPTIONAL_CODES.has(code))
    .join("-");
}

async function readJson<Value>(file: string, schema: z.ZodType<Value>): Promise<Value> {
  return schema.parse(JSON.parse(await readFile(file, "utf8")));
}
