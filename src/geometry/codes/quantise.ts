// A factor pair, or A itself, in few bits: one sweep over A, in which the left factor never exists in floats.
//
// left right = (left Q)(Q' right) for any orthogonal Q. A random one spreads each row of left evenly over its columns, so that one
// scale a row and the levels of the normal distribution lose little. right is stored first; left is then the best factor for what
// it decodes to.
import type { EngineRows } from "../../engine/engine.js";
import { blockColumns, codedBytes, decodeRows, paddedColumns, planeBits } from "../../codes.js";
import { levelsOf } from "../../code-levels.js";
import { InvalidInputError } from "../../errors.js";
import { toRowSource, type Matrix, type RowSource } from "../../matrix.js";
import { checkOneOf, checkP, checkSeed } from "../../options.js";
import type {
  CodeBits,
  CodedMatrix,
  LevelsName,
  Objective,
  QuantiseOptions,
  QuantiseResult,
  ScaleName,
} from "../../types/index.js";
import { objectiveOf, pseudoInverse } from "../basis/factors.js";
import { powerOfTwoBelow, profile, type Profile } from "../profile.js";
import { randomRotation } from "./rotation.js";
import type { Run } from "../run.js";
import { transpose } from "../basis/small-dense.js";

/** Columns of a block of a table as it is trained; rotated rows are even, and one scale serves all of a row. */
const tableBlock = 32;
/** Scales that a search begins at, beside the best one of a normal block: blocks are few entries. */
const startRatios = [0.76, 0.84, 0.92, 1, 1.08, 1.17, 1.28];
/**
 * Scales are at most 8 times the largest entry times that of a normal block: half precision holds them, and those of rows 10^6
 * times smaller, when this product is in here.
 */
const halfComfort = { from: 2 ** -6, to: 2 ** 13 };
/** Entries beyond these would leave f32 when they are decoded, or vanish. */
const range = { from: 2 ** -100, to: 2 ** 100 };

export function checkQuantise(options: QuantiseOptions, source: RowSource): void {
  const { right, bits, rightBits = 8, block, levels = "normal", scale = "unbiased", seed = 0, rotate, p = 1 } = options;
  for (const [name, value] of Object.entries({ bits, rightBits })) {
    if (![8, 4, 3, 2].includes(value)) throw new InvalidInputError(`${name} must be 8, 4, 3 or 2; got ${value}.`);
  }
  if (block !== undefined && block !== Infinity && !(Number.isSafeInteger(block) && block >= 8 && block % 8 === 0)) {
    throw new InvalidInputError(`block must be a multiple of 8 columns, at least 8; got ${block}.`);
  }
  checkOneOf("levels", levels, ["normal", "uniform"]);
  checkOneOf("scale", scale, ["unbiased", "least-squares"]);
  checkSeed(seed);
  checkP(p, { above: 0, to: Infinity });
  if (!right) {
    if (rotate)
      throw new InvalidInputError("rotate needs a right factor, which takes the rotation back; give `right`.");
    return;
  }
  toRowSource(right, "right");
  if (right.cols !== source.cols || right.rows > right.cols) {
    throw new InvalidInputError(
      `right is ${right.rows} x ${right.cols}, but ${source.name ?? "A"} has ${source.cols} columns; it must have as many, and no more rows than that.`,
    );
  }
}

/**
 * A ~ left right in few bits, or A itself. Cost: 2 n d k multiply-adds and the search, a dozen passes of a few instructions
 * over n k entries; nothing of size n but the codes is kept.
 */
export async function quantise(run: Run, source: RowSource, options: QuantiseOptions): Promise<QuantiseResult> {
  const { right, bits, rightBits = 8, seed = 0, rotate = true, p = 1, rowWeights } = options;
  const { levels = "normal", scale = "unbiased", block = right && rotate ? Infinity : tableBlock } = options;
  const { rows: n, cols: d } = source;
  const width = right ? right.rows : d;
  run.expect(n * (2 * d + (right ? 2 * d * width : d) + passes * width));
  const rows = run.open(source);
  const sizes = await run.cache.once("profile", () => profile(run, rows));
  checkRange(sizes, source);
  if (rowWeights) rows.state.set("weights", Float64Array.from(rowWeights));
  const target = { bits, levels, scale, block, p };
  if (!right) {
    const { coded, objective } = await encode(run, rows, sizes, target);
    run.finish();
    return { left: coded, objective, byteLength: bytesOf(coded), seed, seconds: run.seconds };
  }
  const rotated = await rotatedRows(run, right, rotate, seed);
  const rightRows = run.open(toRowSource({ data: rotated, rows: width, cols: d }, "right"));
  const rightSizes = await profile(run, rightRows);
  const whole = { bits: rightBits, levels, scale, block: Infinity, p };
  const { coded: rightCoded } = await encode(run, rightRows, rightSizes, whole);
  const decoded = Float64Array.from(decodeRows(rightCoded, 0, width));
  const basis = await pseudoInverse(run, decoded, width, d);
  const { coded, objective } = await encode(run, rows, sizes, target, { basis, decoded, rank: width });
  run.finish();
  const byteLength = bytesOf(coded) + bytesOf(rightCoded);
  return { left: coded, right: rightCoded, objective, byteLength, seed, seconds: run.seconds };
}

/** Passes over an entry while its scale is searched, about. */
const passes = startRatios.length + 4;

export interface Target {
  bits: CodeBits;
  levels: LevelsName;
  scale: ScaleName;
  block: number;
  p: number;
}

/** The right factor of the pair that is to be stored, decoded, and the matrix that gives the left one. */
interface Projection {
  /** d x k */
  basis: Float64Array;
  /** k x d */
  decoded: Float64Array;
  rank: number;
}

/** Codes of the rows, or of their projection, and the error of what they decode to. One sweep. */
export async function encode(
  run: Run,
  rows: EngineRows,
  { top, unit }: Profile,
  { bits, levels: name, scale, block: wanted, p }: Target,
  projection?: Projection,
): Promise<{ coded: CodedMatrix; objective: Objective }> {
  const { rows: n, cols: d } = rows.source;
  const cols = projection ? projection.rank : d;
  const block = blockColumns(cols, wanted);
  const paddedCols = paddedColumns(cols, wanted);
  const levels = levelsOf(bits, name);
  // An entry of a projected row is at most as long as the row.
  const factor = scaleFactor(levels.scale * (projection ? top * Math.sqrt(d) : top));
  const coded: CodedMatrix = {
    kind: "codes",
    rows: n,
    cols,
    paddedCols,
    bits,
    block,
    levels: levels.values.map((x) => x * factor),
    planes: planeBits[bits].map((width) => {
      const bytesPerRow = (paddedCols * width) / 8;
      return { bits: width, bytesPerRow, bytes: new Uint8Array(n * bytesPerRow) };
    }),
    scales: new Uint16Array((n * paddedCols) / block),
  };
  const [codes, lowCodes] = coded.planes.map(({ bytes }) => bytes);
  const parts: Record<string, Uint8Array> = { codes, lowCodes, scales: new Uint8Array(coded.scales.buffer) };
  const result = await run.sweep(
    "quantise",
    rows,
    "codes",
    { bits, padded: paddedCols, block, zero: levels.zero, factor, unbiased: scale === "unbiased", p, unit },
    {
      levels: Float64Array.from(levels.values),
      starts: Float64Array.from(startRatios, (ratio) => ratio * levels.scale),
      basis: projection?.basis,
      right: projection?.decoded,
    },
    {
      // Bytes a row, a whole number, come first: (start / n) * length may be just below the offset, and would be cut to the one before.
      emit: (start, bytes, name) => parts[name].set(bytes, start * (parts[name].length / n)),
      anyOrder: true,
    },
  );
  return { coded, objective: await objectiveOf(run, result, p, unit) };
}

/** 1, or the power of two that brings scales to where half precision holds them; it becomes part of the levels. */
function scaleFactor(size: number): number {
  if (size === 0 || (size >= halfComfort.from && size <= halfComfort.to)) return 1;
  return powerOfTwoBelow(size) / (halfComfort.to / 2);
}

export function checkRange({ top }: Profile, { name = "A" }: RowSource): void {
  if (top === 0 || (top >= range.from && top <= range.to)) return;
  throw new InvalidInputError(
    `The largest entry of ${name} is ${top}; codes decode to f32 and hold 2^-100 to 2^100. Multiply ${name} by a power of two first.`,
    { tensor: name },
  );
}

export function bytesOf({ rows, cols, bits, block }: CodedMatrix): number {
  return codedBytes(rows, cols, bits, block);
}

/** Q' right, after a look at whether its rows are orthonormal: the inverse of right right' is computed as if they were. */
async function rotatedRows(run: Run, { data, rows: k, cols: d }: Matrix, rotate: boolean, seed: number) {
  const right = Float64Array.from(data);
  const { engine } = run;
  const size = { rows: k, inner: d, cols: k };
  const gram = await engine.dense("multiply", { left: right, right: transpose(right, k, d), ...size });
  for (let i = 0; i < k * k; ++i) {
    const [row, column] = [Math.floor(i / k), i % k];
    const expected = row === column ? 1 : 0;
    if (Math.abs(gram[i] - expected) <= 0.01) continue;
    throw new InvalidInputError(
      `right must have orthonormal rows, but the inner product of rows ${row} and ${column} is ${gram[i].toPrecision(3)}, not ${expected}. Factors of lowRank have them.`,
      { tensor: "right", row },
    );
  }
  if (!rotate) return right;
  const rotation = await randomRotation(run, k, seed);
  return engine.dense("multiply", { left: rotation, right, rows: k, inner: k, cols: d });
}
