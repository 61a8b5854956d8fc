import { describe, expect, it } from "vitest";
import { openEmoji } from "../../src/data/emoji.js";
import { imageOf, useWorkspace } from "./helpers.js";

const classesOf = async (group?: string) => {
  const source = await openEmoji(group);
  return { source, classes: new Set(source.images.map(({ path }) => source.className(path))) };
};

describe("emoji", () => {
  const workspace = useWorkspace();

  it("are all of the package, each with a group", async () => {
    const { source, classes } = await classesOf();
    expect(source.images).toHaveLength(3391);
    expect([...classes].sort()).toEqual(
      ["activities", "animals", "flags", "food", "objects", "people", "smileys", "symbols", "travel"].sort(),
    );
    // Spelled otherwise in the two packages: FE0F, leading zeros, and underscores without an end tag.
    expect(source.className("263a-fe0f.webp")).toBe("smileys");
    expect(source.className("23-fe0f-20e3.webp")).toBe("symbols");
    expect(source.className("1f3f4-e0067_e0062_e0065_e006e_e0067.webp")).toBe("flags");
    expect(source.className("1f44b-1f3fd.webp")).toBe("people"); // a skin tone
  });

  it("come in groups, whose classes are the subgroups", async () => {
    const smileys = await classesOf("smileys");
    expect(smileys.source.images).toHaveLength(167);
    expect(smileys.classes).toContain("cat-face");
    const faces = await classesOf("faces");
    expect(faces.source.images).toHaveLength(99);
    expect(faces.classes).not.toContain("face-costume");
    expect((await openEmoji("animal-bird")).images).toHaveLength(21);
  });

  it("are read like any other source", async () => {
    const dataset = await workspace.open({ source: "emoji:cat-face" });
    expect(dataset).toMatchObject({
      name: "emoji-cat-face",
      source: "emoji:cat-face",
      length: 9,
      skipped: [],
    });
    const image = imageOf(dataset, 0);
    expect([...image.subarray(0, 3)]).toEqual([255, 255, 255]); // the transparent corner over white
    const middle = (8 * 16 + 8) * 3;
    expect(image[middle]).toBeGreaterThan(image[middle + 2]! + 80); // an orange cat
  });
});
