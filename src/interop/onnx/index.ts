// Generators as ONNX and as pages: `import { exportOnnx } from "stylegan/onnx"`.

import "../../torch/libtorch.js";

export { exportOnnx, type OnnxModels, type OnnxOptions } from "./export.js";
export { writeOnnx } from "./files.js";
export { writePage } from "./page.js";
