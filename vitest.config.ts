import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Native addons crash in worker threads.
    pool: "forks",
    testTimeout: 120_000,
  },
});
