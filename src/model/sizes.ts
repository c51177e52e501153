// Bytes that a layer takes in a file.
import { blockColumns, codedBytes, paddedColumns } from "../codes.js";
import { rowTypeBytes, type RowSource, type RowType } from "../matrix.js";
import type { CodeBits, CodedMatrix } from "../types/index.js";
import { planeBits } from "./description.js";
import { bitsOf, type Target } from "./fit.js";
import { shapeOf, type Layer } from "./model.js";
import type { StoredLayer, StoredMatrix } from "./stored.js";

/** Codes and scales, or floating-point numbers, of both factors. */
export function targetBytes(rows: number, cols: number, { rank, type, dense }: Target): number {
  const bits = bitsOf(type);
  if (bits === undefined) return rank * (rows + cols) * rowTypeBytes[type as RowType];
  const block = blockOf(dense);
  const left = codedBytes(rows, rank, bits, block);
  // The graph multiplies left as it is stored, so right has a row for each stored column.
  return dense ? left : left + codedBytes(paddedColumns(rank, block), cols, 8, blockOf());
}

/** Columns that share a scale: rotated rows are even, so one scale serves a row; the rows of a table are not. */
export function blockOf(dense = false): number {
  return dense ? 32 : Infinity;
}

/** A layer of the right sizes without numbers: what a file of them would take can be told before anything is computed. */
export function emptyLayer(layer: Layer, target: Target): StoredLayer {
  const [rows, cols] = shapeOf(layer);
  const { rank, type, dense } = target;
  const bits = bitsOf(type);
  const matrix = (n: number, d: number, width: CodeBits | undefined): StoredMatrix =>
    width === undefined ? { kind: "float", rows: emptyRows(n, d, type as RowType) } : emptyCodes(n, d, width, dense);
  // Numbers of the length that most have: metadata holds them as text.
  const x = 1234.567890123456;
  const objective = { lp: x, l1: x, l21: x, l2: x, worstRow: { row: rows, norm: x } };
  const certificate = { lower: x, upper: x, slack: 1e-6, sigmaNext: x, bound: x, rounding: x };
  return {
    ...{ name: layer.name, transposed: layer.transposed, rows, cols, rank, type },
    left: matrix(rows, rank, bits),
    right: dense ? undefined : matrix(rank, cols, bits && 8),
    ...{ p: 1, method: "subspace", objective, candidates: [], certificate, tolerance: 0.01, seed: 0 },
    ...{ rowWeights: false, seconds: 0 },
  };
}

function emptyRows(rows: number, cols: number, dtype: RowType): RowSource {
  return { rows, cols, dtype, read: (_, count) => new Uint8Array(count * cols * rowTypeBytes[dtype]) };
}

function emptyCodes(rows: number, cols: number, bits: CodeBits, dense: boolean | undefined): CodedMatrix {
  const block = blockColumns(cols, blockOf(dense));
  const paddedCols = paddedColumns(cols, block);
  const planes = planeBits[bits].map((width) => {
    const bytesPerRow = (paddedCols * width) / 8;
    return { bits: width, bytesPerRow, bytes: new Uint8Array(rows * bytesPerRow) };
  });
  const scales = new Uint16Array((rows * paddedCols) / block);
  return { kind: "codes", rows, cols, paddedCols, bits, block, levels: new Float32Array(2 ** bits), planes, scales };
}
