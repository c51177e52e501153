/** A small model of every case that compress meets in an ONNX graph. Numbers are seeded; nothing but TypeScript makes them. */
import type { OnnxCase } from "./onnx-models/cases.js";
import { functionCases } from "./onnx-models/functions.js";
import { gatherCases } from "./onnx-models/gather.js";
import { productCases } from "./onnx-models/products.js";
import { skippedCases } from "./onnx-models/skipped.js";
import { storageCases } from "./onnx-models/storage.js";
import { subgraphCases } from "./onnx-models/subgraphs.js";
import { tiedCases } from "./onnx-models/tied.js";

import { openedAttention, wholeAttention } from "./onnx-models/attention.js";
import { wholeCases } from "./onnx-models/wholes.js";

export type { BuiltModel, InputTensor, OnnxCase, Weight } from "./onnx-models/cases.js";
export { kept } from "./onnx-models/storage.js";

export const onnxCases: readonly OnnxCase[] = [
  ...gatherCases,
  ...productCases,
  ...tiedCases,
  ...storageCases,
  ...subgraphCases,
  ...wholeCases,
  ...openedAttention,
  ...wholeAttention,
  ...functionCases,
  ...skippedCases,
];
