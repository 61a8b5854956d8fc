import { describe, expect, it } from "vitest";
import { parseBoundedJson } from "../../src/system/boundedJson.js";

const bounds = { values: 20, depth: 3 };

describe("JSON with bounds", () => {
  it.each([
    '{"a":[1,2,{"b":null}],"c":"x"}',
    '"[[[[[[[,,,,,,,,,,,,,,,,,,,,,,,"',
    '{"\\"[[[[[":"\\\\","]":"\\u005b[[[["}',
    ` [ ${"1,".repeat(15)}1 ] `,
    "5",
  ])("%s is read as JSON.parse does", (text) => {
    expect(parseBoundedJson(text, bounds)).toEqual(JSON.parse(text));
  });

  it.each([
    ["a level too much", '{"a":[{"b":[]}]}', /levels/],
    ["a value too many", `[${"1,".repeat(20)}1]`, /values/],
    ["many empty objects", `[${"{},".repeat(12)}{}]`, /values/],
    ["no JSON", "{a}", /JSON|property name/],
    ["a text without an end", '"abc\\', /./],
    ["nothing", "", /./],
  ])("%s is refused", (_, text, pattern) => {
    expect(() => parseBoundedJson(text, bounds)).toThrow(SyntaxError);
    expect(() => parseBoundedJson(text, bounds)).toThrow(pattern);
  });

  it("takes no memory for 16 million brackets", () => {
    const text = "[".repeat(2 ** 24);
    const before = process.memoryUsage.rss();
    expect(() => parseBoundedJson(text, { values: 1e5, depth: 64 })).toThrow(/levels/);
    expect(() => parseBoundedJson("[],".repeat(2 ** 22), { values: 1e5, depth: 64 })).toThrow(/values/);
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 2 ** 20);
  });
});
