import { afterEach, expect, it, vi } from "vitest";
import { UserError } from "../../src/system/errors.js";
import { libtorch } from "../../src/torch/libtorch.js";

afterEach(() => {
  vi.unstubAllEnvs();
});

it("a value of STYLEGAN_KERNELS that is no instruction set of this processor is told of at the first use", () => {
  vi.stubEnv("STYLEGAN_KERNELS", "mmx");
  expect(() => libtorch()).toThrow(UserError);
  expect(() => libtorch()).toThrow(/STYLEGAN_KERNELS=mmx: this processor has .*baseline; "off" goes without/);
  vi.stubEnv("STYLEGAN_KERNELS", "baseline");
  expect(libtorch().selectKernels("baseline")).toBeTypeOf("string");
  expect(() => libtorch().selectKernels("mmx")).toThrow(/no kernels called 'mmx'/);
});
