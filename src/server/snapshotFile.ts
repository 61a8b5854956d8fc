import { join } from "node:path";
import { snapshotPattern } from "../protocol/runFiles.js";
import { fileState } from "./files.js";
import { HttpError } from "./http.js";
import type { Run } from "./runs.js";

/** The path of a run's snapshot. @throws HttpError 404 when the run has none of that name */
export async function snapshotFile({ path }: Run, name: string): Promise<string> {
  const file = join(path, name);
  if (!snapshotPattern.test(name) || (await fileState(file)) === null)
    throw new HttpError(404, "there is no such snapshot");
  return file;
}
