// stylegan setup: what it does.

import { isCheckout, setUpEngine } from "../../torch/addonFile.js";
import { torchVersion } from "../../torch/runtime.js";

export function run(): void {
  // A checkout has been set up by `npm run setup`, or the version cannot be told.
  if (!isCheckout()) setUpEngine();
  process.stdout.write(`ready: libtorch ${torchVersion()}\n`);
}
