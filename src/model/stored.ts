// A layer as it will stand in the file: A ~ left right, each in floating point or in few bits.
import { encodeNumbers, type ByteSource } from "../formats/index.js";
import { bytesOf, rowTypeBytes, type Matrix, type RowSource, type RowType } from "../matrix.js";
import type { Candidate, ChosenMethod, CodeBits, CodedMatrix, LowRankCertificate, Objective } from "../types/index.js";

/** Floating-point rows, in memory or in a file. */
export interface FloatMatrix {
  readonly kind: "float";
  readonly rows: RowSource;
  /** What holds all its rows, where memory does not. */
  readonly source?: ByteSource;
}

export type StoredMatrix = FloatMatrix | CodedMatrix;

/** How numbers are stored: the tensor's own type, another float type, or few bits. */
export type StoredType = RowType | `int${CodeBits}`;

export const storedTypes: readonly StoredType[] = ["f64", "f32", "f16", "bf16", "int8", "int4", "int3", "int2"];

/** What replaces a layer's tensor. */
export interface StoredLayer {
  readonly name: string;
  /** A is the tensor's transpose: its rows are the tensor's columns. */
  readonly transposed: boolean;
  /** Of A. */
  readonly rows: number;
  readonly cols: number;
  /** Columns of left; cols where there is no right factor: a table in few bits, of full rank. */
  readonly rank: number;
  readonly type: StoredType;
  readonly left: StoredMatrix;
  readonly right?: StoredMatrix;
  readonly p: number;
  readonly method: ChosenMethod | "dense";
  /** Error of what is stored. */
  readonly objective: Objective;
  readonly candidates: readonly Candidate[];
  readonly certificate: LowRankCertificate;
  readonly rowWeights: boolean;
  /** Power of the counts that the row weights are, where it is known. */
  readonly rowWeightsPower?: number;
  readonly seconds: number;
}

/** Numbers rounded to `type`, in memory. */
export function floatMatrix({ data, rows, cols }: Matrix, type: RowType, name: string): FloatMatrix {
  const bytes = encodeNumbers(data, type);
  const rowBytes = cols * rowTypeBytes[type];
  return {
    kind: "float",
    rows: {
      ...{ rows, cols, dtype: type, name },
      read: (start, count) => bytes.subarray(start * rowBytes, (start + count) * rowBytes),
    },
  };
}

/** Bytes of the numbers, scales included. */
export function storedBytes(matrix: StoredMatrix): number {
  if (matrix.kind === "float") return bytesOf(matrix.rows);
  return matrix.planes.reduce((sum, { bytes }) => sum + bytes.byteLength, matrix.scales.byteLength);
}

/** All rows in order, in chunks of about 4 MiB. */
export async function* rowChunks(rows: RowSource): AsyncGenerator<Uint8Array> {
  const step = Math.max(1, Math.floor((1 << 22) / (rows.cols * rowTypeBytes[rows.dtype])));
  for (let start = 0; start < rows.rows; start += step) {
    // A source may hand out its one buffer again.
    yield new Uint8Array(await rows.read(start, Math.min(step, rows.rows - start)));
  }
}
