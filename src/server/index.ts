// The page that shows runs: `import { serve } from "stylegan/server"`.

import "../torch/libtorch.js";

export { type RunningServer, type ServeOptions, serve } from "./server.js";
