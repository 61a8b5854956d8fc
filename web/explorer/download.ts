// Files from the page's own server, with progress over all of them.

export class DownloadError extends Error {}

/**
 * The bytes of several files at once.
 * @param onProgress bytes so far and in all; called only when the server says how long each file is
 * @throws DownloadError that names the file and the reason
 */
export async function downloadAll(
  urls: readonly string[],
  onProgress: (loaded: number, total: number) => void,
): Promise<Uint8Array<ArrayBuffer>[]> {
  const loaded = urls.map(() => 0);
  const totals = urls.map(() => 0);
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  return Promise.all(
    urls.map(async (url, i) => {
      const response = await open(url);
      totals[i] = Number(response.headers.get("content-length") ?? 0);
      const chunks: Uint8Array<ArrayBuffer>[] = [];
      const reader = response.body?.getReader();
      if (!reader) throw new DownloadError(`${url} came without content.`);
      for (;;) {
        const { done, value } = await reader.read().catch(() => {
          throw new DownloadError(`The connection broke while ${url} was loading.`);
        });
        if (done) break;
        chunks.push(value);
        loaded[i] = (loaded[i] as number) + value.length;
        // A server that compresses says the length of what it sends, which is less than what arrives.
        const total = sum(totals.map((size, k) => Math.max(size, loaded[k] as number)));
        if (totals.every((size) => size > 0)) onProgress(sum(loaded), total);
      }
      const bytes = new Uint8Array(sum(chunks.map((chunk) => chunk.length)));
      let position = 0;
      for (const chunk of chunks) {
        bytes.set(chunk, position);
        position += chunk.length;
      }
      return bytes;
    }),
  );
}

async function open(url: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch {
    throw new DownloadError(`${url} could not be reached.`);
  }
  if (!response.ok)
    throw new DownloadError(`${url} could not be loaded: the server answered ${response.status}.`);
  return response;
}
