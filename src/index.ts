// The public names.
export { createLoewner, type CreateOptions } from "./create.js";
export { blockColumns, codedBytes, codedRows, decodeRows, paddedColumns, quantisationError } from "./codes.js";
export { TransformDecoder, transformBytes, transformRows } from "./transform-codes.js";
export { TrellisDecoder, trellisBytes, trellisRows } from "./trellis-codes.js";
export { rankForKeep } from "./options.js";
export type { Floats, Matrix, MatrixLike, RowSource, RowType } from "./matrix.js";
export {
  AbortedError,
  ClusterError,
  DisposedError,
  FileError,
  InvalidFormatError,
  InvalidInputError,
  isLoewnerError,
  LimitError,
  LoewnerError,
  OutOfMemoryError,
  UnsupportedRuntimeError,
  VerificationError,
  WorkerLostError,
} from "./errors.js";
export type { ErrorPlace, LoewnerErrorCode } from "./errors.js";
export type * from "./types/index.js";
