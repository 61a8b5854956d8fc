// Computes pictures away from the page, which stays responsive. One request at a time; the page orders them.

import { DownloadError } from "./download.js";
import { Generator } from "./generator.js";
import type { LoadRequest, RenderRequest, Reply, Request, View } from "./messages.js";

let generator: Generator | undefined;

function reply(message: Reply, transfer: Transferable[] = []): void {
  self.postMessage(message, { transfer });
}

const firstView: View = { seed: 0, classIndex: 0, truncationPsi: 1, noise: true, mixSeed: 0, layers: [] };

async function load({ kind: _, ...options }: LoadRequest): Promise<void> {
  try {
    generator = await Generator.load({
      ...options,
      onProgress: (loaded, total) => reply({ kind: "progress", loaded, total }),
      onLoaded: () => reply({ kind: "starting" }),
    });
    // On a graphics card the first picture compiles its programs, and shows whether they work.
    if (options.backend === "webgpu") await generator.render(firstView);
    reply({ kind: "ready" });
  } catch (error) {
    reply({
      kind: "error",
      message:
        error instanceof DownloadError
          ? error.message
          : `The generator could not be started: ${messageOf(error)}`,
    });
  }
}

async function render({ id, view }: RenderRequest): Promise<void> {
  try {
    if (!generator) throw new Error("the generator is not loaded");
    const start = performance.now();
    const pixels = await generator.render(view);
    reply({ kind: "picture", id, pixels, milliseconds: performance.now() - start }, [pixels.buffer]);
  } catch (error) {
    reply({ kind: "error", id, message: `The picture could not be computed: ${messageOf(error)}` });
  }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

self.addEventListener("message", ({ data }: MessageEvent<Request>) => {
  void (data.kind === "load" ? load(data) : render(data));
});
