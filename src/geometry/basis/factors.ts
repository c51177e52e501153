// From an orthonormal basis of the row space to stored factors, and the error of what was stored: one sweep.
import { placeOfBad } from "../../engine/operations/bad-entry.js";
import type { EngineRows } from "../../engine/engine.js";
import type { ResultOf } from "../../engine/operations/index.js";
import { blockRows } from "../../engine/sweep.js";
import { InvalidInputError } from "../../errors.js";
import { Maximum, SumTree, Worst } from "../../engine/tree.js";
import { widenRows, type Matrix, type RowSource, type RowType } from "../../matrix.js";
import type { FactorType, Objective } from "../../types/index.js";
import { termsOf } from "../certificate.js";
import type { Profile } from "../profile.js";
import type { Run } from "../run.js";
import { inverseCholesky, transpose } from "./small-dense.js";

/** What is known of the residual of a pair. */
type Report = ResultOf<"residual">;

/** Kernel codes of the types that factors are rounded to; 0 leaves them as computed. */
export const roundCode: Record<FactorType, number> = { f64: 0, f32: 1, f16: 2, bf16: 3 };
/** Unit roundoff of a type. */
export const unitRoundoff: Record<RowType, number> = { f64: 2 ** -53, f32: 2 ** -24, f16: 2 ** -11, bf16: 2 ** -8 };

/** Vectors of a basis that a projection on `rank` of them has a use for: those of the complement where it is the smaller one. */
export function basisSize(rank: number, d: number): number {
  return d - rank < rank ? d : rank;
}

/** Half of the distance between neighbours next to 0: rounding errs by so much there, however small the number. */
export const smallestStep: Record<RowType, number> = {
  f64: 2 ** -1074,
  f32: 2 ** -150,
  f16: 2 ** -25,
  bf16: 2 ** -134,
};

/** Takes a factor block by block. */
export interface FactorSink {
  /** The block is only valid during the call. */
  readonly emit: (start: number, block: Float32Array | Float64Array) => void | Promise<void>;
  /** It needs no order; else blocks come in row order. */
  readonly anyOrder?: boolean;
}

/** Puts each block in its place in an array of rows, `cols` wide. */
export function placing(data: Float32Array | Float64Array, cols: number): FactorSink {
  return { emit: (start, block) => data.set(block, start * cols), anyOrder: true };
}

export interface FactorRequest {
  /** Orthonormal rows, f64: cols x cols, of which the first `rank` are kept; or just those. */
  basis: Float64Array;
  rank: number;
  p: number;
  factorType: FactorType;
  /** Takes left; without it only the error is computed. What overflows is said when all of it has been handed on. */
  sink?: FactorSink;
  /**
   * Where the basis holds the eigenvectors of unit^2 M'M of Lewis weights, and `isComplementUsed`: the terms of their certificate are
   * computed too. inverseRoots: 1 / sigma_j(M) of each vector; inflation: bounds the error of q^(1/2) beside |a_i|.
   */
  proof?: { inverseRoots: Float64Array; inflation: number };
}

/** Whether the residual is had from the products with the basis's other vectors: less work, and they prove something besides. */
export function isComplementUsed(rows: EngineRows, { basis, rank, factorType }: FactorRequest): boolean {
  const { cols: d, dtype } = rows.source;
  const isPlain = factorType === "f32" && dtype !== "f64";
  return isPlain && basis.length > rank * d && d - rank < rank;
}

/**
 * left = A V, right = V', both rounded to `factorType`, and the error of the rounded pair.
 *
 * f16 and bf16 round right so far that A V would no longer be the best left factor: left = A R' (R R')^-1 of the rounded R.
 */
export async function factors(run: Run, rows: EngineRows, profile: Profile, request: FactorRequest) {
  const { right, result } = await project(run, rows, profile, request, true);
  const found = result as Required<typeof result>;
  return {
    right,
    objective: await objectiveOf(run, found, request.p, profile.unit),
    terms: request.proof && termsOf(found),
  };
}

/** The same without a word of the error, for half of the work or less; left may differ in the last bits. */
export async function factorsAlone(run: Run, rows: EngineRows, profile: Profile, request: FactorRequest) {
  return (await project(run, rows, profile, request, false)).right;
}

async function project(run: Run, rows: EngineRows, { unit }: Profile, request: FactorRequest, measure: boolean) {
  const { rank, p, factorType, sink, proof } = request;
  const { cols: d, dtype } = rows.source;
  const basis = request.basis.slice(0, rank * d);
  const rest = request.basis.slice(rank * d);
  const right = await roundTo(run, basis, factorType);
  const coarse = factorType === "f16" || factorType === "bf16";
  // Denormal f32 has few digits: products are rounded once, as they are stored.
  const wide = factorType === "f64" || dtype === "f64" || unit > 2 ** 120;
  const useRest = measure && isComplementUsed(rows, request);
  const result = await run.sweep(
    "project",
    rows,
    "factors",
    {
      rank,
      p,
      unit,
      round: roundCode[factorType],
      wide,
      keepLeft: sink !== undefined,
      measure,
      inflation: proof?.inflation ?? 0,
    },
    {
      basis: coarse ? await pseudoInverse(run, right, rank, d) : transpose(basis, rank, d),
      right,
      complement: useRest ? transpose(rest, d - rank, d) : undefined,
      complementRight: useRest ? rest : undefined,
      inverseRoots: proof?.inverseRoots,
    },
    sink,
  );
  if (sink) checkLeft(result.bad!, rank, factorType);
  return { right, result };
}

/** The largest number of each type, as it is written. */
const largestOf: Record<FactorType, string> = { f64: "1.8e308", f32: "3.4e38", f16: "65504", bf16: "3.4e38" };

/** @throws {InvalidInputError} where a row of the left factor is past the range of its type */
function checkLeft(bad: Float64Array, rank: number, factorType: FactorType): void {
  const place = placeOfBad(bad, rank);
  if (!place) return;
  const { row } = place;
  const wider = factorType === "f64" ? "" : `take a wider factorType than "${factorType}", or `;
  throw new InvalidInputError(
    `Row ${row} of the left factor has an entry above ${largestOf[factorType]}, the largest that ${factorType} holds: ${wider}multiply A by a smaller power of two.`,
    { tensor: "left", row },
  );
}

/** Rows whose left factor is held as f64 at a time: a whole subtree of the sums, so that the answer is that of one sweep. */
const slabRows = 64 * blockRows;

/** Error of a given pair, in f64. Memory: the left factor of 16384 rows. */
export async function residual(
  run: Run,
  rows: EngineRows,
  { unit }: Profile,
  { left, right, p, mayOverflow = false }: { left: RowSource; right: Matrix; p: number; mayOverflow?: boolean },
): Promise<Objective> {
  const { source, state } = rows;
  const { cols, dtype, name } = source;
  const weights = await state.get("weights");
  const rank = right.rows;
  const shared = { right: Float64Array.from(right.data) };
  const total = { sums: new SumTree(), worst: new Worst(), top: new Maximum() };
  for (let first = 0; first < source.rows; first += slabRows) {
    const count = Math.min(slabRows, source.rows - first);
    const slab = run.open({ rows: count, cols, dtype, name, read: (start, n) => source.read(first + start, n) });
    if (weights) slab.state.set("weights", weights.subarray(first, first + count));
    const factor = new Float64Array(count * rank);
    await widenRows(left, first, count, factor);
    slab.state.set("left", factor);
    const { sums, worst, top } = await run.sweep("residual", slab, "residual", { rank, p, unit }, shared);
    run.close(slab);
    total.sums.add(sums);
    total.worst.add(Float64Array.of(worst[0], first + worst[1]));
    total.top.add(top);
  }
  const { sums, worst, top } = total;
  const result = { sums: sums.finish(), worst: worst.finish(), top: top.finish() };
  return (mayOverflow ? anyObjective : objectiveOf)(run, result, p, unit);
}

/** sum |r|^p from sum |unit r|^p. */
export async function ofOwnScale(run: Run, sum: number, unit: number, p: number): Promise<number> {
  if (unit === 1 || sum === 0) return sum;
  const power = await run.power(unit, p);
  if (power > 0 && power < Infinity) return sum / power;
  // Out of range itself, though the answer may not be.
  const root = await run.power(unit, p / 2);
  return sum / root / root;
}

/** The kernel multiplies residuals by `unit`, a power of two, so that squares neither overflow nor vanish. */
export async function anyObjective(
  run: Run,
  { sums, worst, top }: Report,
  p: number,
  unit: number,
): Promise<Objective> {
  const [lp, l1, l21, squares] = sums;
  return {
    lp: p === Infinity ? top[0] / unit : await ofOwnScale(run, lp, unit, p),
    l1: l1 / unit,
    l21: l21 / unit,
    l2: Math.sqrt(squares) / unit,
    worstRow: { row: worst[1], norm: worst[0] / unit },
  };
}

/**
 * The same, which is to be handed out.
 * @throws {InvalidInputError} where it is past the range of f64
 */
export async function objectiveOf(run: Run, result: Report, p: number, unit: number): Promise<Objective> {
  const objective = await anyObjective(run, result, p, unit);
  const { worstRow, ...norms } = objective;
  for (const [name, x] of Object.entries({ ...norms, worstRow: worstRow.norm })) {
    if (x - x === 0) continue;
    throw new InvalidInputError(
      `The error of the factors in ${name} is above 1.8e308, the largest f64${name === "lp" ? `, at p = ${p}` : ""}: multiply A (or rowWeights) by a smaller power of two.`,
    );
  }
  return objective;
}

export async function roundTo(run: Run, matrix: Float64Array, type: FactorType): Promise<Float64Array> {
  if (type === "f64") return matrix;
  return run.engine.dense("round", { matrix, to: roundCode[type] });
}

/** R' (R R')^-1, d x k: R R' is within a percent of I, so Cholesky is safe. */
export async function pseudoInverse(run: Run, right: Float64Array, rank: number, d: number): Promise<Float64Array> {
  const { engine } = run;
  const transposed = transpose(right, rank, d);
  const gram = await engine.dense("multiply", { left: right, right: transposed, rows: rank, inner: d, cols: rank });
  const T = await inverseCholesky(engine, gram, rank);
  const square = { left: T, right: transpose(T, rank, rank), rows: rank, inner: rank, cols: rank };
  const inverse = await engine.dense("multiply", square);
  return engine.dense("multiply", { left: transposed, right: inverse, rows: d, inner: rank, cols: rank });
}
