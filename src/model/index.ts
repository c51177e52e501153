/** The public names of `loewner/model`: whole models in, whole models out. */
export {
  type CompressedLayer,
  type CompressedModel,
  compressModel,
  modelObjective,
  type CompressOptions,
  planCompression,
  type PlannedLayer,
  type Skipped,
} from "./compress.js";
export { type ExpandedModel, expandModel } from "./expand.js";
export { type Inspection, type InspectedLayer, inspectModel } from "./inspect.js";
export { type Layer, type LayerKind, layersOf, select, type Selection } from "./layers.js";
export { type Description, type Pair, type PairDescription, pairsOf } from "./pairs.js";
export { type Verification, type VerifiedLayer, verifyModel } from "./verify.js";
