import { expect, it } from "vitest";
import { adviceFor } from "../../src/training/advice.js";

it("follows the pictures: their size, number and sides", () => {
  const few = adviceFor({ pictures: 300, shorterSide: 500, isSided: false });
  expect(few).toMatchObject({ resolution: { cpu: 64, gpu: 256 }, mirror: true, aug: true, kimg: 1000 });
  expect(few.cfg).toEqual({ cpu: "stylegan2-small", gpu: "stylegan2" });
  const many = adviceFor({ pictures: 200_000, shorterSide: 40, isSided: true });
  expect(many).toMatchObject({ resolution: { cpu: 32, gpu: 32 }, mirror: false, aug: false, kimg: 25_000 });
  expect(many.reasons.join("\n")).toMatch(/no --mirror: left and right differ/);
  expect(adviceFor({ pictures: 0, shorterSide: 1, isSided: false }).resolution).toEqual({ cpu: 4, gpu: 4 });
});
