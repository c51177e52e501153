// Models whose quantised weights are read as floats (quantised/view.ts), beside those that are as their file has them.
import { layOutOnnx, onnxRows } from "../../formats/index.js";
import type { OnnxLayout, OnnxLayoutOptions } from "../../formats/onnx/layout.js";
import type { OnnxEdits, OnnxModel, OnnxTensor } from "../../formats/onnx/types.js";
import type { RowSource } from "../../matrix.js";

/** A weight in codes, as the float tensor that it stands for: no tensor of the file. */
export interface DequantisedTensor extends OnnxTensor {
  /** What holds it: codes, scales, zero points. */
  readonly stored: readonly OnnxTensor[];
  /** Its numbers, in a matrix of as many. */
  rows(shape: readonly number[]): RowSource;
}

/** A model with these in its graphs, and operators on floats where those on codes are. The file is the original's. */
export interface DequantisedModel extends OnnxModel {
  readonly original: OnnxModel;
  /** Changes to this one as those of the original: codes that nothing reads any more go. */
  restore(edits: OnnxEdits): OnnxEdits;
}

export function isDequantised(tensor: OnnxTensor): tensor is DequantisedTensor {
  return "stored" in tensor;
}

export function isView(model: OnnxModel): model is DequantisedModel {
  return "restore" in model;
}

/** A weight as a matrix, whichever way it is stored. */
export function weightRows(model: OnnxModel, tensor: OnnxTensor, shape?: readonly number[]): RowSource {
  return isDequantised(tensor) ? tensor.rows(shape ?? tensor.dims) : onnxRows(model, tensor, shape);
}

/** Bytes of all that holds these tensors, each once. */
export function bytesOfTensors(tensors: readonly OnnxTensor[]): number {
  const stored = new Set(tensors.flatMap((tensor) => (isDequantised(tensor) ? tensor.stored : [tensor])));
  return [...stored].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** Lays out a changed model of either kind. */
export function layOutChanged(model: OnnxModel, edits: OnnxEdits, options: OnnxLayoutOptions): OnnxLayout {
  return isView(model) ? layOutOnnx(model.original, model.restore(edits), options) : layOutOnnx(model, edits, options);
}
