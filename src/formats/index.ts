/** The public names of `loewner/formats`. Nothing here imports from node:; files on disk are in src/node. */
export {
  blobSource,
  type ByteSink,
  type ByteSource,
  bytesSource,
  type MemorySink,
  memorySink,
  readChunks,
} from "./bytes.js";
export { type HttpOptions, openHttp } from "./http-bytes.js";
export { bf16ToF32, decodeNumbers, encodeNumbers, f16ToF32, f32ToBf16, f32ToF16 } from "../half.js";
export type { JsonValue } from "./json.js";
export { defaultLimits, type LimitOptions, type ReadLimits } from "./limits.js";
export { onnxDtypeName, onnxRowType, onnxTensorBytes } from "./onnx/dtype.js";
export { httpResolver } from "./onnx/http-external.js";
export type { ExternalFile } from "./onnx/external-files.js";
export { layOutOnnx, MAX_ONNX_FILE, type OnnxLayout, type OnnxLayoutOptions, writeOnnx } from "./onnx/layout.js";
export { openOnnx, type OpenOnnxOptions, readNode } from "./onnx/open.js";
export { onnxRows, onnxTensorChunks } from "./onnx/tensor-bytes.js";
export type {
  ExternalResolver,
  NewTensor,
  OnnxEdits,
  OnnxFunction,
  OnnxGraph,
  OnnxModel,
  OnnxNode,
  OnnxTensor,
  OnnxValue,
  Span,
  StreamedBytes,
  TensorData,
} from "./onnx/types.js";
export { type NpyHeader, type NpyRows, openNpy, readNpyHeader } from "./npy.js";
export { type NpyDtype, type NpyTensor, type NpyTypes, readNpyArray } from "./npy-array.js";
export { readNpz } from "./npz.js";
export { type NpyArray, npyHeader, NpyRowWriter, writeNpy } from "./npy-write.js";
export {
  findTensor,
  MAX_SAFETENSORS_HEADER,
  openSafetensors,
  type SafetensorsFile,
  type SafetensorsTensor,
  tensorChunks,
  tensorRows,
} from "./safetensors.js";
export {
  dtypeBits,
  dtypeOf,
  isSafetensorsDtype,
  rowTypeOf,
  type SafetensorsDtype,
  safetensorsDtypes,
  tensorBytes,
} from "./safetensors-dtype.js";
export { openSafetensorsIndex, type SafetensorsIndex, writeSafetensorsIndex } from "./safetensors-index.js";
export {
  layOutSafetensors,
  type SafetensorsEntry,
  type SafetensorsInput,
  type SafetensorsLayout,
  type SafetensorsMetadata,
  writeSafetensors,
} from "./safetensors-write.js";
