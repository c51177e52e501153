// Bytes that memory should not hold.
import type { ByteSink, ByteSource } from "../formats/index.js";
import { rowTypeBytes, type RowType } from "../matrix.js";
import type { FloatMatrix } from "./stored.js";

/** A place for bytes that memory should not hold: a temporary file. */
export interface Spill {
  readonly sink: ByteSink;
  /** What was written, to be read until the output is. */
  finish(): Promise<ByteSource>;
  /** Gives the place back, of what no output is made of. Default: that comes with the others' end. */
  discard?(): Promise<void>;
}

/** Bytes from which on a matrix is given such a place. */
export const usualSpillBytes = 64 << 20;

export function spilledMatrix(
  source: ByteSource,
  { rows, cols, type, name }: { rows: number; cols: number; type: RowType; name: string },
): FloatMatrix {
  const rowBytes = cols * rowTypeBytes[type];
  const read = (start: number, count: number) => source.slice(start * rowBytes, (start + count) * rowBytes);
  return { kind: "float", rows: { rows, cols, dtype: type, name, read }, source };
}
