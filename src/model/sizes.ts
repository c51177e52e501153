// Bytes that a layer takes in a file.
import { levelsOf } from "../code-levels.js";
import { blockColumns, codedBytes, paddedColumns, planeBits } from "../codes.js";
import { rowTypeBytes, type RowSource, type RowType } from "../matrix.js";
import { transformBytes } from "../transform-codes.js";
import type { CodeBand, CodeBits, CodedMatrix, TransformCode } from "../types/index.js";
import { bitsOf, type FitOptions, type PairTarget, type Target } from "./fit.js";
import { shapeOf, type Layer } from "./model.js";
import type { StoredLayer, StoredMatrix } from "./stored.js";

/** Codes and scales, or floating-point numbers, of both factors; of transform codes all that is stored, at most. */
export function targetBytes(rows: number, cols: number, target: Target): number {
  if (target.type === "transform") return target.bytes;
  const { rank, type, dense } = target;
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
 * a few bytes of metadata; in transform codes to a few KB, for which bands there will be is not known.
 */
export function emptyLayer(layer: Layer, target: Target, recorded: Recorded = {}): StoredLayer {
  const [rows, cols] = shapeOf(layer);
  const x = longest;
  const objective = { lp: x, l1: x, l21: x, l2: x, worstRow: { row: rows, norm: x } };
  // All that is written of it is its bound.
  const certificate = { lower: 0, upper: 1, slack: 0, sigmaNext: x, bound: x, rounding: 0 };
  const { p = 1, rowWeightsPower, weighted = false, place } = recorded;
  return {
    ...{ name: layer.name, transposed: layer.transposed, rows, cols, type: target.type },
    ...(target.type === "transform"
      ? emptyTransform(rows, cols, target.bytes, place)
      : emptyPair(rows, cols, target, recorded)),
    ...{ p, objective, candidates: [], certificate },
    ...{ rowWeights: weighted, ...(weighted && { rowWeightsPower }), seconds: 0 },
  };
}

type EmptyValue = Pick<StoredLayer, "value" | "rank" | "method">;

function emptyPair(
  rows: number,
  cols: number,
  { rank, type, dense }: PairTarget,
  { uniform, place }: Recorded,
): EmptyValue {
  const bits = bitsOf(type);
  const matrix = (n: number, d: number, width: CodeBits | undefined): StoredMatrix =>
    width === undefined
      ? { kind: "float", rows: emptyRows(n, d, type as RowType) }
      : emptyCodes(n, d, { bits: width, dense, uniform, place });
  const right = dense ? undefined : matrix(rank, cols, bits && 8);
  return {
    value: { kind: "pair", left: matrix(rows, rank, bits), ...(right && { right }) },
    ...{ rank, method: dense ? "dense" : "entrywise" },
  };
}

const trellisBits = [8, 7, 6, 5, 4, 3, 2, 1] as const;

/**
 * Which bands there will be is told by the rows, once they are looked at: here there are as many as can be, of all columns, with rows of
 * zeros and exact rows, so that whatever is written takes no more nodes, tables and words. What is stored takes `bytes`: codes are as long as
 * the rest leaves room for, whatever their bands say.
 */
function emptyTransform(rows: number, cols: number, bytes: number, place = 0): EmptyValue {
  const groups = Math.ceil(cols / 8);
  const count = Math.min(groups, trellisBits.length);
  const widths = trellisBits.slice(0, count).map((_, b) => (b ? 8 : 8 * (groups - count + 1)));
  const bands = widths.map((width, b): CodeBand => {
    // In 8 and in 4 bits, as wide as those can be.
    const right = emptyCodes(width, cols, { bits: b < count / 2 ? 8 : 4, place });
    return { bits: trellisBits[b], cols: width, codes: new Uint8Array(), right };
  });
  const code: TransformCode = {
    ...{ kind: "transform", rows, cols, windowBits: 10, centre: new Float32Array(cols), bands },
    ...{ scales: new Uint8Array(rows), scaleLevels: new Float32Array(Math.min(256, Math.ceil(rows / 8) + 1)) },
    exact: { rows: new Uint32Array(1), residual: emptyCodes(1, cols, { bits: 4, place }) },
  };
  const codes = new Uint8Array(Math.max(0, bytes - transformBytes(code)));
  const filled = bands.map((band, b) => (b ? band : { ...band, codes }));
  return { value: { ...code, bands: filled }, rank: 8 * groups, method: "transform" };
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
