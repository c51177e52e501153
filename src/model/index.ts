/** The public names of `loewner/model`: whole models in, whole models out. */
export type { Journal, JournalFinding, JournalPart } from "./journal.js";
export { allocate, type Choice } from "./budget.js";
export {
  type CompressedLayer,
  type CompressedModel,
  compressModel,
  type CompressOptions,
  modelObjective,
} from "./compress.js";
export { calibrate, type Calibration, type CalibrationOptions } from "./calibrate/calibrate.js";
export { arrayFeeds, type Feed, madeUpFeeds, type MadeUpOptions } from "./calibrate/feeds.js";
export {
  chooseHeadMetric,
  type HeadMetric,
  type HeadMetricOptions,
  type HeadMetricResult,
} from "./calibrate/head-metric.js";
export { type Moments } from "./calibrate/pass.js";
export { type Sequence, textFeeds, type TextFeedOptions } from "./calibrate/texts.js";
export {
  type EncodeOptions,
  type Text,
  textTokenizer,
  type TextTokenizer,
  type TextTokens,
  type TokenizerClass,
} from "./calibrate/text-tokenizer.js";
export { type Description, type LayerDescription } from "./description.js";
export type { PartDescription } from "./kinds/pair-description.js";
export type { PairDescription } from "./kinds/pair.js";
export { type Curve, type CurveOptions, type CurvePoint, evaluateCurve } from "./evaluate/curve.js";
export { type CurveMethod, curveMethods } from "./evaluate/curve-methods.js";
export {
  type EvaluatedModel,
  evaluateModel,
  evaluateModels,
  type EvaluateOptions,
  type Evaluation,
  type Evaluations,
  type Score,
  taskNames,
} from "./evaluate/evaluate.js";
export { guessTask } from "./evaluate/guess.js";
export type { Interval } from "./evaluate/interval.js";
export type { ModelOutput, OutputKind } from "./evaluate/outputs.js";
export type { Pooling } from "./evaluate/pooling.js";
export { readTable, type Table, type TableOptions } from "./evaluate/table.js";
export type {
  Answer,
  Answers,
  Encoder,
  EvaluationData,
  Metric,
  Setting,
  Task,
  TaskOptions,
  Trial,
} from "./evaluate/task.js";
export { type ExpandedModel, expandModel } from "./expand.js";
export { type Spill } from "./spill.js";
export {
  type AtKeep,
  type Inspection,
  type InspectedLayer,
  type InspectOptions,
  inspectModel,
  type Spectrum,
  type StoredFactors,
} from "./inspect.js";
export { select as selectLayers, type Selection } from "./layers.js";
export type { Layer, LayerKind, LayOutOptions, Model, Operators, OutputFile } from "./model.js";
export { type InputOptions, type ModelInput, onnxInputs } from "./onnx/inputs.js";
export { onnxModel } from "./onnx/model.js";
export { dequantisedModel } from "./onnx/quantised/view.js";
export { type ComparedOutput } from "./onnx/output-difference.js";
export { type CompareOptions, compareOnnx, type OnnxComparison } from "./onnx/run.js";
export {
  type OnnxRuntime,
  runnableModel,
  type RunnableModel,
  type RuntimeSession,
  type RuntimeTensor,
  type SessionOptions,
} from "./onnx/runtime.js";
export { planCompression } from "./plan.js";
export type { LayerWeights, Plan, PlannedLayer, PlanOptions, SizeOptions, Skipped } from "./plan-options.js";
export { checkPlan, type LayerPlan, newPlan, type PlanFile, readPlan } from "./plan-file.js";
export { chooseModelFile, type ModelFileChoice, modelFileOrder } from "./model-file.js";
export { type HubAddress, parseHubAddress } from "./hub-address.js";
export { type Quality, qualityNames, type QualityOptions } from "./quality/qualities.js";
export { type CalibrationInputs, shrinkModel, type ShrinkOptions, type ShrunkModel } from "./quality/shrink.js";
export { roleOf, type WeightFacts, type WeightRole, weightRoles } from "./safetensors/architectures.js";
export { safetensorsModel } from "./safetensors/model.js";
export { editedFiles, type SafetensorsEdits } from "./safetensors/set-write.js";
export { openSafetensorsSet, type SafetensorsSet } from "./safetensors/set.js";
export { tiedNames } from "./safetensors/tied-weights.js";
export { readTokenizer, type Tokenizer } from "./tokens/tokenizer.js";
export { defaultRowWeightsPower, rowWeightsOf, type TokenWeights, tokenWeights } from "./tokens/weights.js";
export { type StoredType } from "./stored.js";
export { type Verification, type VerifiedLayer, verifyLayers, type VerifyOptions } from "./verify.js";
export { compareUntouched, type Untouched } from "./safetensors/untouched.js";
