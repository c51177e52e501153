// Bytes that a layer takes in a file.
import { levelsOf } from "../code-levels.js";
import { blockColumns, codedBytes, paddedColumns, planeBits } from "../codes.js";
import { rowTypeBytes, type RowSource, type RowType } from "../matrix.js";
import type { CodeBits, CodedMatrix } from "../types/index.js";
import { bitsOf, type FitOptions, type Target } from "./fit.js";
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

/** What a file says of a layer beside its numbers. */
export interface Recorded extends Pick<FitOptions, "p" | "rowWeightsPower" | "uniform"> {
  readonly weighted?: boolean;
  /** Of the layer among those of the file: levels' steps are written once for all that share them, but each may have its own. */
  readonly place?: number;
}

/** Metadata holds numbers as text: none takes more than this one. */
const longest = 1.2345678901234567e-6;

/**
 * A layer of the right sizes without numbers: what a file of them would take at most can be told before anything is computed, to
 * a few bytes of metadata.
 */
export function emptyLayer(layer: Layer, target: Target, recorded: Recorded = {}): StoredLayer {
  const [rows, cols] = shapeOf(layer);
  const { rank, type, dense } = target;
  const bits = bitsOf(type);
  const matrix = (n: number, d: number, width: CodeBits | undefined): StoredMatrix =>
    width === undefined
      ? { kind: "float", rows: emptyRows(n, d, type as RowType) }
      : emptyCodes(n, d, { bits: width, dense, uniform: recorded.uniform, place: recorded.place });
  const x = longest;
  const objective = { lp: x, l1: x, l21: x, l2: x, worstRow: { row: rows, norm: x } };
  // All that is written of it is its bound.
  const certificate = { lower: 0, upper: 1, slack: 0, sigmaNext: x, bound: x, rounding: 0 };
  const { p = 1, rowWeightsPower, weighted = false } = recorded;
  return {
    ...{ name: layer.name, transposed: layer.transposed, rows, cols, rank, type },
    value: {
      ...{ kind: "pair", left: matrix(rows, rank, bits) },
      ...(!dense && { right: matrix(rank, cols, bits && 8) }),
    },
    ...{ p, method: dense ? "dense" : "entrywise", objective, candidates: [], certificate },
    ...{ rowWeights: weighted, ...(weighted && { rowWeightsPower }), seconds: 0 },
  };
}

function emptyRows(rows: number, cols: number, dtype: RowType): RowSource {
  return { rows, cols, dtype, read: (_, count) => new Uint8Array(count * cols * rowTypeBytes[dtype]) };
}

function emptyCodes(
  rows: number,
  cols: number,
  { bits, dense, uniform, place = 0 }: { bits: CodeBits; dense?: boolean; uniform?: boolean; place?: number },
): CodedMatrix {
  const block = blockColumns(cols, blockOf(dense));
  const paddedCols = paddedColumns(cols, block);
  const planes = planeBits[bits].map((width) => {
    const bytesPerRow = (paddedCols * width) / 8;
    return { bits: width, bytesPerRow, bytes: new Uint8Array(rows * bytesPerRow) };
  });
  const scales = new Uint16Array((rows * paddedCols) / block);
  const { values } = levelsOf(bits, uniform ? "uniform" : "normal");
  // Small numbers, as right factors have them, bring a step other than 1, and a node with it.
  const levels = bits === 8 ? values.map((x) => x * 2 ** (-19 - (place % 64))) : values;
  return { kind: "codes", rows, cols, paddedCols, bits, block, levels, planes, scales };
}
