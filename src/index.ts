// The library: `import { loadNetwork } from "stylegan"`. What is not here is not public and may change.
// Every capability has a program in examples/.

import "./torch/libtorch.js";

// ---- training and measuring ----
export { type Dataset, type DatasetOptions, openDataset } from "./data/dataset.js";
// ---- pictures ----
export { readPicture } from "./data/readPicture.js";
export { type ImportedSnapshot, importSnapshot } from "./interop/importSnapshot.js";
export { type LoadedNetwork, loadNetwork } from "./interop/loadNetwork.js";
export { type OpenSnapshot, openSnapshot } from "./interop/openSnapshot.js";
export {
  type AdversarialLoss,
  type AdversarialLossName,
  createLoss,
  type LossOptions,
} from "./losses/adversarial.js";
export { pathLengthPenalty } from "./losses/pathLength.js";
export { r1Penalty, r2Penalty, wganGpPenalty } from "./losses/penalties.js";
export {
  multiScaleDistance,
  type PictureDistance,
  perceptualDistance,
} from "./losses/pictureDistance.js";
export { metricNames } from "./metrics/names.js";
export { DetectorFiles } from "./metrics/openDetector.js";
export type { Discriminator, Generator, NoiseMode, TruncationOptions } from "./networks/network.js";
export { createDiscriminator, createGenerator, type NetworkDescription } from "./networks/registry.js";
export { type SnapshotInfo, writeSnapshot } from "./networks/snapshot.js";
export type { LatentSpace, PictureFormat } from "./synthesis/choices.js";
// ---- latents ----
export { type Direction, type DirectionStep, findDirections, moveAlong } from "./synthesis/directions.js";
export { encodePicture, writePng } from "./synthesis/encode.js";
// ---- mixing and films ----
export { type Film, openFilm } from "./synthesis/film.js";
export { type InterpolationOptions, interpolationFrames } from "./synthesis/interpolate.js";
export { readLatents, writeLatents } from "./synthesis/latentFile.js";
export { classRows, latentsOfSeeds } from "./synthesis/latents.js";
export { type MeasureOptions, Meter, type MeterOptions, type MetricResult } from "./synthesis/meter.js";
export { type Picture, tile } from "./synthesis/picture.js";
export {
  type Projection,
  type ProjectionStep,
  type ProjectOptions,
  Projector,
  project,
} from "./synthesis/projector.js";
export {
  mapLatents,
  type RenderOptions,
  renderLatents,
  renderWs,
  type SynthesisOptions,
  synthesizeImages,
  toPictures,
} from "./synthesis/render.js";
export { type MixedPicture, type StyleMixOptions, styleMix } from "./synthesis/styleMix.js";
// ---- networks ----
export { UserError } from "./system/errors.js";
// ---- tensors ----
export { Adam, type AdamOptions } from "./torch/adam.js";
export { backward, grad, noGrad } from "./torch/autograd.js";
export { FlatParameters } from "./torch/flat.js";
export { cat, stack } from "./torch/ops.js";
export { manualSeed, randn } from "./torch/random.js";
export { setThreads } from "./torch/runtime.js";
export { liveTensors, scope } from "./torch/scope.js";
export { Script } from "./torch/script.js";
export { type Device, type Shape, Tensor, tensor } from "./torch/tensor.js";
export type { TickReport } from "./training/loop.js";
export { type FinishedRun, type NewRunOptions, trainNewRun } from "./training/newRun.js";
export type { TrainingOptions } from "./training/options.js";
