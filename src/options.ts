// Checks of what callers pass in, before any work: each message names the argument, what it was, and what it may be.
import { InvalidInputError } from "./errors.js";
import { isDetached, kindOf, type RowSource } from "./matrix.js";
import type { LowRankOptions, RowWeights } from "./types/index.js";

/** @throws {InvalidInputError} unless p is in the range; ends are open with `above` and `below`, closed with `from` and `to`. */
export function checkP(p: number, { above, from, below, to }: PRange = { above: 0, below: 4 }): void {
  const range = { above, from, below, to };
  if (!isInRange(p, range)) {
    throw new InvalidInputError(`p must be a number with ${describeRange(range)}; got ${p}.`);
  }
}

/** @throws {InvalidInputError} unless each is a number of bytes of at least 0; it names the one that is not */
export function checkBytes(named: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(named)) {
    if (!(value >= 0)) throw new InvalidInputError(`${name} must be a number of bytes of at least 0; got ${value}.`);
  }
}

/** As in "0 < p <= 2". */
export function describeRange({ above, from, below, to }: PRange): string {
  const left = above !== undefined ? `${above} <` : `${from} <=`;
  const right = below !== undefined ? `< ${below}` : `<= ${to}`;
  return `${left} p ${right}`;
}

export function isInRange(p: number, { above, from, below, to }: PRange): boolean {
  const low = above !== undefined ? p > above : p >= from!;
  const high = below !== undefined ? p < below : p <= to!;
  return typeof p === "number" && low && high;
}

export interface PRange {
  above?: number;
  from?: number;
  below?: number;
  to?: number;
}

/** A seed is a whole number from 0 to 2^53 - 1. */
export function checkSeed(seed: number): void {
  if (!(Number.isSafeInteger(seed) && seed >= 0)) {
    throw new InvalidInputError(`seed must be a whole number from 0 to 2^53 - 1; got ${seed}.`);
  }
}

/** Random starts: a whole number from 0. */
export function checkStarts(starts: number): void {
  if (!(Number.isSafeInteger(starts) && starts >= 0)) {
    throw new InvalidInputError(`starts must be a whole number of at least 0; got ${starts}.`);
  }
}

/** 1 ... min(rows, cols) */
export function checkRank(rank: number, { rows, cols, name = "A" }: RowSource): void {
  if (!(Number.isSafeInteger(rank) && rank >= 1 && rank <= Math.min(rows, cols))) {
    throw new InvalidInputError(
      `rank must be a whole number from 1 to min(rows, cols) = ${Math.min(rows, cols)} of ${name} (${rows} x ${cols}); got ${rank}.`,
      { tensor: name },
    );
  }
}

export function checkTolerance(tolerance: number): void {
  if (!(tolerance > 0 && tolerance < Infinity)) {
    throw new InvalidInputError(`tolerance must be a positive number; got ${tolerance}.`);
  }
}

export function checkMaxIterations(maxIterations: number): void {
  if (!(Number.isSafeInteger(maxIterations) && maxIterations >= 0)) {
    throw new InvalidInputError(`maxIterations must be a whole number of at least 0; got ${maxIterations}.`);
  }
}

export function checkOneOf<T extends string>(name: string, value: T, allowed: readonly T[]): void {
  if (!allowed.includes(value)) {
    throw new InvalidInputError(`${name} must be one of ${allowed.map((x) => `"${x}"`).join(", ")}; got "${value}".`);
  }
}

export function checkRowWeights(weights: RowWeights | undefined, source: RowSource): void {
  checkOneARow("rowWeights", "row weights", weights, source);
}

/** @throws {InvalidInputError} unless there is one finite number of at least 0 for each row, or none at all */
export function checkOneARow(
  option: string,
  what: string,
  values: RowWeights | undefined,
  { rows, name = "A" }: RowSource,
): void {
  if (values === undefined) return;
  checkNumbers(option, values);
  if (values.length !== rows) {
    const why = ArrayBuffer.isView(values) && isDetached(values) ? ", for its buffer was transferred away" : "";
    throw new InvalidInputError(
      `${option} has ${values.length} entries${why}, but ${name} has ${rows} rows; it needs one a row.`,
    );
  }
  for (let i = 0; i < rows; ++i) {
    if (!(values[i] >= 0 && values[i] < Infinity)) {
      throw new InvalidInputError(`${option}[${i}] is ${values[i]}; ${what} must be finite and at least 0.`, {
        row: i,
      });
    }
  }
}

/** @throws {InvalidInputError} for what is no array, or holds what is no number, such as a BigInt */
export function checkNumbers(option: string, values: unknown): asserts values is ArrayLike<number> {
  const pass = "pass a Float64Array, a Float32Array or an array of numbers";
  if (typeof values !== "object" || typeof (values as ArrayLike<number> | null)?.length !== "number")
    throw new InvalidInputError(`${option} is ${kindOf(values)}; ${pass}.`);
  const list = values as ArrayLike<unknown>;
  for (let i = 0; i < list.length; ++i) {
    const value = list[i];
    if (typeof value === "number") continue;
    const shown = typeof value === "bigint" ? `the BigInt ${value}n` : kindOf(value);
    const how = typeof value === "bigint" ? `, such as Float64Array.from(${option}, Number)` : "";
    throw new InvalidInputError(`${option}[${i}] is ${shown}, not a number; ${pass}${how}.`, { row: i });
  }
}

/** Exactly one of rank, keep and energy, each within its range. */
export function checkSize(
  { rank, keep, energy }: Pick<LowRankOptions, "rank" | "keep" | "energy">,
  source: RowSource,
  groups = 1,
): void {
  const { rows, cols, name = "A" } = source;
  const given = Object.entries({ rank, keep, energy }).filter(([, value]) => value !== undefined);
  if (given.length !== 1) {
    const found = given.length === 0 ? "none" : given.map(([key]) => key).join(" and ");
    throw new InvalidInputError(`Give exactly one of rank, keep and energy; got ${found}.`);
  }
  if (rank !== undefined) checkRank(rank, source);
  for (const [key, value] of Object.entries({ keep, energy })) {
    if (value !== undefined && !(value > 0 && value <= 1)) {
      throw new InvalidInputError(`${key} must be a share above 0 and at most 1; got ${value}.`);
    }
  }
  if (keep !== undefined && rankForKeep(keep, rows, cols, groups) < 1) {
    const least = (rows + groups * cols) / (rows * cols);
    const of = groups > 1 ? ` in ${groups} groups` : "";
    throw new InvalidInputError(
      `keep ${keep} leaves ${name} (${rows} x ${cols}) no rank at all${of}; rank 1 takes ${least.toPrecision(3)}.`,
      { tensor: name },
    );
  }
}

/** floor(keep n d / (n + groups d) + 1e-9), at most min(n, d): the largest rank whose factors hold that share of the elements. */
export function rankForKeep(keep: number, rows: number, cols: number, groups = 1): number {
  return Math.min(rows, cols, Math.floor((keep * rows * cols) / (rows + groups * cols) + 1e-9));
}

/** The smallest rank whose singular values hold `energy` of the sum of squares; at least 1. */
export function rankForEnergy(energy: number, singularValues: Float64Array, most: number): number {
  const top = singularValues[0] || 1;
  const squares = singularValues.map((x) => (x / top) * (x / top));
  const total = squares.reduce((a, b) => a + b, 0);
  let sum = 0;
  let rank = 0;
  // A rank-deficient matrix reaches its total before the end; rounding must not ask for more.
  while (rank < most && sum < energy * total * (1 - 1e-15)) sum += squares[rank++];
  return Math.max(1, rank);
}
