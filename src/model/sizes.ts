// Bytes that a layer takes in a file.
import { levelsOf } from "../code-levels.js";
import { blockColumns, codedBytes, paddedColumns, planeBits } from "../codes.js";
import { rowTypeBytes, type RowSource, type RowType } from "../matrix.js";
import { transformBytes } from "../transform-codes.js";
import { levelCount } from "../trellis-codes.js";
import type { CodeBand, CodeBits, CodedMatrix, TransformCode, TrellisBits, TrellisCode } from "../types/index.js";
import { bitsOf, laidOut, type FitOptions, type PairTarget, type Target } from "./fit.js";
import { trellisSizes } from "./kinds/trellis-description.js";
import { shapeOf, type Layer } from "./model.js";
import type { StoredLayer, StoredMatrix } from "./stored.js";

/** Codes and scales, or floating-point numbers, of both factors; of transform codes all that is stored, at most. */
export function targetBytes(rows: number, cols: number, target: Target): number {
  if (target.type === "transform") return target.bytes;
  if (target.type === "trellis") return trellisCodeBytes(rows, cols, target.bits);
  const { rank, type, dense, groups = 1 } = target;
  const bits = bitsOf(type);
  const numbers = groups > 1 ? rows : 0;
  if (bits === undefined) return rank * (rows + groups * cols) * rowTypeBytes[type as RowType] + numbers;
  if (groups > 1) return codedBytes(rows, rank, bits) + codedBytes(groups * rank, cols, 8) + numbers;
  const block = blockOf(dense);
  const left = codedBytes(rows, rank, bits, block);
  // The graph multiplies left as it is stored, so right has a row for each stored column.
  return dense ? left : left + codedBytes(paddedColumns(rank, block), cols, 8, blockOf());
}

/** Of codes, scales and their levels; the rotation is shared by all layers of as many columns. */
function trellisCodeBytes(rows: number, cols: number, bits: TrellisBits): number {
  const { size, segment, segments } = trellisSizes({ rows, cols });
  return (size * segment * segments * bits) / 8 + rows + 4 * levelCount(rows);
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

/** Of what nothing was proved. */
export const noCertificate = { lower: 0, upper: 1, slack: 0, sigmaNext: 0, bound: 0, rounding: 0 };

/**
 * A layer of the right sizes without numbers: what a file of them would take at most can be told before anything is computed, to
 * a few bytes of metadata; with `bytesBeyond` on top, in transform codes to a few KB, for which bands there will be is not known.
 */
export function emptyLayer(layer: Layer, target: Target, recorded: Recorded = {}): StoredLayer {
  const { transposed } = laidOut(layer, target);
  const [rows, cols] = shapeOf({ shape: layer.shape, transposed });
  const x = longest;
  const objective = { lp: x, l1: x, l21: x, l2: x, worstRow: { row: rows, norm: x } };
  // All that is written of it is its bound.
  const certificate = { ...noCertificate, sigmaNext: x, bound: x };
  const { p = 1, rowWeightsPower, weighted = false } = recorded;
  return {
    ...{ name: layer.name, transposed, rows, cols, type: target.type },
    ...emptyValue(rows, cols, target, recorded),
    ...{ p, objective, candidates: [], certificate },
    ...{ rowWeights: weighted, ...(weighted && { rowWeightsPower }), seconds: 0 },
  };
}

type EmptyValue = Pick<StoredLayer, "value" | "rank" | "method">;

function emptyValue(rows: number, cols: number, target: Target, recorded: Recorded): EmptyValue {
  if (target.type === "transform") return emptyTransform(rows, cols, target.bytes, recorded.place);
  return target.type === "trellis" ? emptyTrellis(rows, cols, target.bits) : emptyPair(rows, cols, target, recorded);
}

function emptyTrellis(rows: number, cols: number, bits: TrellisBits): EmptyValue {
  const { size, order, segment, segments } = trellisSizes({ rows, cols });
  const code: TrellisCode = {
    ...{ kind: "trellis", rows, cols, bits, windowBits: 10, segment },
    codes: new Uint8Array((size * segment * segments * bits) / 8),
    ...{ scales: new Uint8Array(rows), scaleLevels: new Float32Array(levelCount(rows)) },
    rotation: { order, mixing: new Float32Array(order * order), signs: new Int8Array(size).fill(1) },
  };
  return { value: code, rank: cols, method: "trellis" };
}

function emptyPair(
  rows: number,
  cols: number,
  { rank, type, dense, groups = 1 }: PairTarget,
  { uniform, place }: Recorded,
): EmptyValue {
  const bits = bitsOf(type);
  const matrix = (n: number, d: number, width: CodeBits | undefined): StoredMatrix =>
    width === undefined
      ? { kind: "float", rows: emptyRows(n, d, type as RowType) }
      : emptyCodes(n, d, { bits: width, dense, uniform, place });
  const right = dense ? undefined : matrix(groups * rank, cols, bits && 8);
  if (groups > 1) {
    const left = matrix(rows, rank, bits);
    const value = { kind: "clusters", count: groups, groups: new Uint8Array(rows), left, right: right! } as const;
    return { value, rank, method: "clusters" };
  }
  return {
    value: { kind: "pair", left: matrix(rows, rank, bits), ...(right && { right }) },
    ...{ rank, method: dense ? "dense" : "entrywise" },
  };
}

/**
 * Which bands there will be is told by the rows, once they are looked at: here there are as many as can be, of all columns, with rows of
 * zeros and exact rows, so that whatever is written takes no more nodes, tables and words.
 */
function emptyTransform(rows: number, cols: number, bytes: number, place = 0): EmptyValue {
  const groups = groupsOf(Math.floor(bytes / rows), Math.ceil(cols / 8));
  const bands = groups.map(([bits, count], b): CodeBand => {
    // In 8 and in 4 bits, one after the other.
    const right = emptyCodes(8 * count, cols, { bits: 2 * b < groups.length ? 8 : 4, place });
    return { bits, cols: 8 * count, codes: new Uint8Array(rows * bits * count), right };
  });
  const code: TransformCode = {
    ...{ kind: "transform", rows, cols, windowBits: 10, centre: new Float32Array(cols), bands },
    ...{ scales: new Uint8Array(rows), scaleLevels: new Float32Array(1) },
    exact: { rows: new Uint32Array(1), residual: emptyCodes(1, cols, { bits: 4, place }) },
  };
  return { value: code, rank: bands.reduce((sum, band) => sum + band.cols, 0), method: "transform" };
}

/** Bits of bands that hold `count` groups of 8 components, and how many each: as many bands as there can be, of `bytes` a row at least. */
function groupsOf(bytes: number, count: number): [TrellisBits, number][] {
  const all = [8, 7, 6, 5, 4, 3, 2, 1] as const;
  const bits = all.slice(-Math.min(count, all.length));
  const [highest] = bits;
  const groups = bits.map((width): [TrellisBits, number] => [width, 1]);
  const left = bytes - bits.reduce((sum: number, width) => sum + width, 0);
  const more = count - bits.length;
  const upper = highest > 1 ? Math.max(0, Math.min(more, Math.ceil((left - more) / (highest - 1)))) : 0;
  groups[0][1] += upper;
  groups[groups.length - 1][1] += more - upper;
  return groups;
}

/** Lengths that are written before the numbers of a layer take a few bytes more where these are many. */
const lengthBytes = 32;

/** What a layer of this target takes beyond its empty one, at most: all that is stored of transform codes is told by the target alone. */
export function bytesBeyond(target: Target, { value }: StoredLayer): number {
  return target.type === "transform" && value.kind === "transform"
    ? target.bytes - transformBytes(value) + lengthBytes
    : 0;
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
