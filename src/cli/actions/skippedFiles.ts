import type { SkippedFile } from "../../data/imageSource.js";

const mostNamed = 20;

/** Names the first files that could not be read, with the reasons, on the standard error. */
export function printSkipped(skipped: readonly SkippedFile[]): void {
  if (skipped.length === 0) return;
  const { stderr } = process;
  stderr.write(`${skipped.length} files could not be read and are left out:\n`);
  for (const { file, reason } of skipped.slice(0, mostNamed)) stderr.write(`  ${file}: ${reason}\n`);
  if (skipped.length > mostNamed) stderr.write(`  … and ${skipped.length - mostNamed} more\n`);
}
