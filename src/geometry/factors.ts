// From an orthonormal basis of the row space to stored factors, and the error of what was stored: one sweep.
import type { EngineRows, SweepResult } from "../engine/sweep.js";
import type { Matrix, RowType } from "../matrix.js";
import type { FactorType, Objective } from "../types/index.js";
import type { Profile } from "./profile.js";
import type { Run } from "./run.js";
import { transpose } from "./spectrum.js";

/** Kernel codes of the types that factors are rounded to; 0 leaves them as computed. */
export const roundCode: Record<FactorType, number> = { f64: 0, f32: 1, f16: 2, bf16: 3 };
/** Unit roundoff of a type. */
export const unitRoundoff: Record<RowType, number> = { f64: 2 ** -53, f32: 2 ** -24, f16: 2 ** -11, bf16: 2 ** -8 };

export interface FactorRequest {
  /** Orthonormal rows, f64: cols x cols, of which the first `rank` are kept; or just those. */
  basis: Float64Array;
  rank: number;
  p: number;
  factorType: FactorType;
  /** Takes left block by block, in row order; without it only the error is computed. The block is only valid during the call. */
  emit?: (start: number, block: Float32Array | Float64Array) => void | Promise<void>;
}

/**
 * left = A V, right = V', both rounded to `factorType`, and the error of the rounded pair.
 *
 * f16 and bf16 round right so far that A V would no longer be the best left factor: left = A R' (R R')^-1 of the rounded R.
 */
export async function factors(run: Run, rows: EngineRows, { unit }: Profile, request: FactorRequest) {
  const { rank, p, factorType, emit } = request;
  const { cols: d, dtype } = rows.source;
  const basis = request.basis.slice(0, rank * d);
  const rest = request.basis.slice(rank * d);
  const right = await roundTo(run, basis, factorType);
  const coarse = factorType === "f16" || factorType === "bf16";
  const wide = factorType === "f64" || dtype === "f64";
  const useRest = !wide && !coarse && rest.length > 0 && d - rank < rank;
  const result = await run.sweep(
    rows,
    "factors",
    (wide ? 2 : 1) * 2 * d * rank,
    {
      op: "project",
      params: { rank, p, unit, round: roundCode[factorType], wide: Number(wide), keepLeft: Number(emit !== undefined) },
      reads: {
        shared: {
          basis: coarse ? await pseudoInverse(run, right, rank, d) : transpose(basis, rank, d),
          right,
          ...(useRest && { complement: transpose(rest, d - rank, d), complementRight: rest }),
        },
        state: ["weights"],
      },
      writes: { state: [] },
      reduce: { sums: "sum", worst: "worst", top: "max", left: "concat" },
    },
    (_name, start, block) => emit!(start, block),
  );
  return { right, objective: await objectiveOf(run, result, p, unit) };
}

/** Error of a given pair, in f64: left is copied into row state, so it costs rows * rank * 8 bytes. */
export async function residual(
  run: Run,
  rows: EngineRows,
  { unit }: Profile,
  { left, right, p }: { left: Float64Array; right: Matrix; p: number },
): Promise<Objective> {
  const rank = right.rows;
  rows.state.set("left", left);
  const result = await run.sweep(rows, "residual", 2 * rows.source.cols * rank, {
    op: "residual",
    params: { rank, p, unit },
    reads: { shared: { right: Float64Array.from(right.data) }, state: ["left", "weights"] },
    writes: { state: [] },
    reduce: { sums: "sum", worst: "worst", top: "max" },
  });
  rows.state.delete("left");
  return objectiveOf(run, result, p, unit);
}

/** The kernel multiplies residuals by `unit`, a power of two, so that squares neither overflow nor vanish. */
export async function objectiveOf(
  run: Run,
  { sums, worst, top }: SweepResult,
  p: number,
  unit: number,
): Promise<Objective> {
  const [lp, l1, l21, squares] = sums;
  return {
    lp: p === Infinity ? top[0] / unit : unit === 1 ? lp : lp / (await run.power(unit, p)),
    l1: l1 / unit,
    l21: l21 / unit,
    l2: Math.sqrt(squares) / unit,
    worstRow: { row: worst[1], norm: worst[0] / unit },
  };
}

export async function roundTo(run: Run, matrix: Float64Array, type: FactorType): Promise<Float64Array> {
  if (type === "f64") return matrix;
  return (await run.engine.dense({ op: "round", matrix, to: roundCode[type] })).matrix;
}

/** R' (R R')^-1, d x k: R R' is within a percent of I, so Cholesky is safe. */
export async function pseudoInverse(run: Run, right: Float64Array, rank: number, d: number): Promise<Float64Array> {
  const { engine } = run;
  const transposed = transpose(right, rank, d);
  const { matrix: gram } = await engine.dense({
    op: "multiply",
    left: right,
    right: transposed,
    rows: rank,
    inner: d,
    cols: rank,
  });
  const { matrix: T } = await engine.dense({ op: "inverseCholesky", matrix: gram, n: rank, tolerance: 0 });
  const { matrix: inverse } = await engine.dense({
    op: "multiply",
    left: T,
    right: transpose(T, rank, rank),
    rows: rank,
    inner: rank,
    cols: rank,
  });
  return (await engine.dense({ op: "multiply", left: transposed, right: inverse, rows: d, inner: rank, cols: rank }))
    .matrix;
}
