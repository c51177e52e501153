/** The public names of `loewner/formats`. Nothing here imports from node:; files on disk are in node-file.ts. */
export {
  blobSource,
  type ByteSink,
  type ByteSource,
  bytesSource,
  type MemorySink,
  memorySink,
  readChunks,
} from "./bytes.js";
export { bf16ToF32, decodeNumbers, encodeNumbers, f16ToF32, f32ToBf16, f32ToF16 } from "./half.js";
export type { JsonValue } from "./json.js";
export { type NpyHeader, type NpyRows, openNpy, readNpyHeader } from "./npy.js";
export { type NpyArray, npyHeader, writeNpy } from "./npy-write.js";
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
