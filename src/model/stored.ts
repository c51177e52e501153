// A layer as it will stand in the file.
import { decodeRows } from "../codes.js";
import { encodeNumbers, type ByteSource } from "../formats/index.js";
import { bytesOf, readRows, rowTypeBytes, type Matrix, type RowSource, type RowType } from "../matrix.js";
import type {
  Candidate,
  ChosenMethod,
  CodeBits,
  CodedMatrix,
  LowRankCertificate,
  Objective,
  TransformCode,
  TrellisCode,
} from "../types/index.js";

/** Floating-point rows, in memory or in a file. */
export interface FloatMatrix {
  readonly kind: "float";
  readonly rows: RowSource;
  /** What holds all its rows, where memory does not. */
  readonly source?: ByteSource;
}

export type StoredMatrix = FloatMatrix | CodedMatrix;

/** A ~ left right, each in floating point or in few bits. */
export interface StoredPair {
  readonly kind: "pair";
  readonly left: StoredMatrix;
  /** Absent where left is the whole: a table in few bits, of full rank. */
  readonly right?: StoredMatrix;
}

/** A whose rows are in groups: row i ~ left_i times the right factor of its group. */
export interface StoredClusters {
  readonly kind: "clusters";
  /** How many there are. */
  readonly count: number;
  /** Of each row. */
  readonly groups: Uint8Array;
  /** rows x rank */
  readonly left: StoredMatrix;
  /** Right factors below each other, count rank x cols. */
  readonly right: StoredMatrix;
}

/**
 * What stands in a file for a matrix A. Of each kind kinds/KIND.ts says how it is described, read and proved; onnx/KIND-operands.ts and
 * safetensors/KIND-tensors.ts write it.
 */
export type StoredValue = StoredPair | StoredClusters | TransformCode | TrellisCode;

/** How the numbers of a pair are stored: the tensor's own type, another float type, or few bits. */
export type PairType = RowType | `int${CodeBits}`;
/** How numbers are stored. */
export type StoredType = PairType | TransformCode["kind"] | TrellisCode["kind"];

export const storedTypes: readonly StoredType[] = [
  ...(["f64", "f32", "f16", "bf16", "int8", "int4", "int3", "int2"] as const),
  "transform",
  "trellis",
];

/** What replaces a layer's tensor. */
export interface StoredLayer {
  readonly name: string;
  /** A is the tensor's transpose: its rows are the tensor's columns. */
  readonly transposed: boolean;
  /** Of A. */
  readonly rows: number;
  readonly cols: number;
  /** Columns of left; cols where there is no right factor. Of transform codes: components that have bits. */
  readonly rank: number;
  readonly type: StoredType;
  readonly value: StoredValue;
  readonly p: number;
  readonly method: ChosenMethod | "dense" | TransformCode["kind"] | TrellisCode["kind"];
  /** Error of what is stored. */
  readonly objective: Objective;
  readonly candidates: readonly Candidate[];
  readonly certificate: LowRankCertificate;
  /** Of products with the inputs that second moments were given of, squared, beside theirs: tr(E H E') / tr(A H A'). */
  readonly outputError?: number;
  readonly rowWeights: boolean;
  /** Power of the counts that the row weights are, where it is known. */
  readonly rowWeightsPower?: number;
  readonly seconds: number;
}

/** The left factor of a pair that is stored in floating point. */
export function floatLeft(value: StoredValue): FloatMatrix | undefined {
  return value.kind === "pair" && value.left.kind === "float" ? value.left : undefined;
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

/** A stored matrix as numbers, in memory. */
export async function matrixIn(stored: StoredMatrix): Promise<Matrix> {
  if (stored.kind === "codes") return matrixOfCodes(stored);
  const { rows, cols, dtype } = stored.rows;
  const data = await readRows(stored.rows);
  return { data: dtype === "f64" ? data : Float32Array.from(data), rows, cols };
}

export function matrixOfCodes(coded: CodedMatrix): Matrix {
  return { data: decodeRows(coded, 0, coded.rows), rows: coded.rows, cols: coded.cols };
}

/** All rows in order, in chunks of about 4 MiB. */
export async function* rowChunks(rows: RowSource): AsyncGenerator<Uint8Array> {
  const step = Math.max(1, Math.floor((1 << 22) / (rows.cols * rowTypeBytes[rows.dtype])));
  for (let start = 0; start < rows.rows; start += step) {
    // A source may hand out its one buffer again.
    yield new Uint8Array(await rows.read(start, Math.min(step, rows.rows - start)));
  }
}
