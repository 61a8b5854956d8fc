// Builds the pages to dist/web: every web/*.html is one. Addresses inside of them are relative, so that a page works
// from any folder of any server.

import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const root = fileURLToPath(new URL(".", import.meta.url));

export default defineConfig({
  root,
  base: "./",
  publicDir: false,
  // Messages of the build end up in set-up's, which has a voice of its own.
  logLevel: "warn",
  worker: { format: "es" },
  build: {
    outDir: fileURLToPath(new URL("../dist/web", import.meta.url)),
    emptyOutDir: true,
    target: "es2022",
    // Files stay files: `stylegan export` finds what a page needs by their names.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000,
    rolldownOptions: {
      input: readdirSync(root)
        .filter((name) => name.endsWith(".html"))
        .map((name) => fileURLToPath(new URL(name, import.meta.url))),
    },
  },
});
