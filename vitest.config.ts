import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // Native addons crash in worker threads.
    pool: "forks",
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // What computes, as a program's entry says it.
    setupFiles: ["src/torch/libtorch.ts"],
    projects: [
      { extends: true, test: { name: "all", include: ["test/**/*.test.ts"] } },
      {
        // The addon's kernels only make things faster: parity must hold without them as well.
        extends: true,
        test: {
          name: "without kernels",
          include: [
            "test/networks/*.parity.test.ts",
            "test/layers/{modulatedConv,resample,equalized}.test.ts",
          ],
          env: { STYLEGAN_KERNELS: "off" },
        },
      },
    ],
  },
});
