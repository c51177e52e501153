// What is proved of a low-rank approximation: |(A - left right) x|_p <= (bound (1 + slack) + rounding) |x|_2.
import type { EngineRows } from "../engine/engine.js";
import { InvalidInputError } from "../errors.js";
import { pseudoInverse, residual, smallestStep, unitRoundoff } from "../geometry/basis/factors.js";
import { rowFactors } from "../geometry/codes/decoded-rows.js";
import { lewisEllipsoid, type LewisEllipsoid } from "../geometry/lewis/ellipsoid.js";
import { checkPairShapes, multiplyRows } from "../geometry/basis/pair.js";
import { leastColumn, profile, type Profile } from "../geometry/profile.js";
import { setWeights, type Run } from "../geometry/run.js";
import { transpose } from "../geometry/basis/small-dense.js";
import { eigenvalueError, residualNorm, spectrum, type Spectrum } from "../geometry/basis/spectrum.js";
import { toRowSource, type Matrix, type MatrixLike, type RowSource } from "../matrix.js";
import { checkOneOf, checkP, checkSeed, checkTolerance } from "../options.js";
import type { CertifyOptions, LowRankCertificate, Objective, SandwichCertificate } from "../types/index.js";
import type { LowRankProblem } from "./problem.js";

/** The certificate of ALGORITHMS: for a basis of any origin, bound = upper sigma_1(M (I - V V')). */
export async function certificateOf(
  problem: Omit<LowRankProblem, "left" | "groups">,
  basis: Float64Array,
  right: Float64Array,
  known: {
    sigmaNext?: number;
    plain?: Pick<Spectrum, "gram" | "wide">;
    ellipsoid?: LewisEllipsoid;
    /** |right - basis|_F at most, where only right is known. */
    rightError?: number;
  },
): Promise<LowRankCertificate> {
  const { run, rows, profile, rank, p, factorType, rowWeights } = problem;
  const ellipsoid = known.ellipsoid ?? problem.ellipsoid;
  const { cols: d, dtype } = rows.source;
  const f64 = dtype === "f64";
  const sandwich = ellipsoid?.certificate ?? { lower: 1, upper: 1, slack: f64 ? 1e-12 : 1e-6 };
  const { gram, wide } = ellipsoid ? { gram: ellipsoid.gram, wide: true } : (known.plain ?? problem.spectrum!);
  const sigmaNext = known.sigmaNext ?? (await residualNorm(run, gram, basis, rank, d)) / profile.unit;
  const rightError = known.rightError ?? distance(right, basis);
  // Products are summed 256 deep, then added up: gamma of that depth, for k columns; then the rounding of left itself.
  const working = unitRoundoff[f64 || factorType === "f64" ? "f64" : "f32"];
  // In f64 as much again, and more, is left for who measures it in f64 too (projectionCertificate).
  const gamma = (Math.min(d, 256) + Math.ceil(d / 256) + 2) * working * (factorType === "f64" ? 4 : 1);
  const relative = Math.sqrt(rank) * (gamma + unitRoundoff[factorType]) + rightError;
  const factorError = relative * (await rowNormBound(run, rows, profile, p, rowWeights));
  // Numbers too small to be rounded beside themselves, and columns that count as zeros.
  const step = Math.sqrt(rank) * smallestStep[factorType] + (f64 ? Math.sqrt(d) * leastColumn : 0);
  const stepError = step * (await rootOfWeights(run, rows, p, rowWeights));
  const squareError = rank < d ? eigenvalueError(gram, d, rows.source.rows, wide) : 0;
  return provedBy(run, p, { sandwich, sigmaNext, squareError, unit: profile.unit, errors: [factorError, stepError] });
}

function squaresOf(data: Float32Array | Float64Array): number {
  let sum = 0;
  for (const x of data) sum += x * x;
  return sum;
}

/** Frobenius norm of the difference. */
function distance(a: Float64Array, b: Float64Array): number {
  let squares = 0;
  for (let i = 0; i < a.length; ++i) squares += (a[i] - b[i]) * (a[i] - b[i]);
  return Math.sqrt(squares);
}

interface Proved {
  sandwich: SandwichCertificate;
  /** sigma_1 as computed. */
  sigmaNext: number;
  /** What its square, times unit^2, may err by. */
  squareError: number;
  unit: number;
  /** What each other term adds at most: its |.|_p for the worst x of length 1. */
  errors: readonly number[];
}

/** Of what is at most upper sigma_1 |x|_2, and of more beside it. Below p = 1 norms do not add, only their p-th powers do. */
async function provedBy(
  run: Run,
  p: number,
  { sandwich, sigmaNext, squareError, unit, errors }: Proved,
): Promise<LowRankCertificate> {
  const bound = sandwich.upper * sigmaNext;
  const loss = sandwich.upper * lost(sigmaNext, sandwich.slack, squareError, unit);
  let rounding = errors.reduce((sum, error) => sum + error, 0);
  if (p < 1) {
    const before = bound * (1 + sandwich.slack) + loss;
    let total = before;
    for (const error of errors) total = await addedNorms(run, p, total, error);
    rounding = total - before;
  }
  return finite({ ...sandwich, sigmaNext, bound, rounding: rounding + loss });
}

/** The largest |f + g|_p for |f|_p = a and |g|_p = b, 0 < p < 1: (a^p + b^p)^(1/p). */
async function addedNorms(run: Run, p: number, a: number, b: number): Promise<number> {
  const most = Math.max(a, b);
  if (!(most > 0 && most < Infinity)) return most;
  return most * (await run.power(1 + (await run.power(Math.min(a, b) / most, p)), 1 / p));
}

/** @throws {InvalidInputError} where the bound is past the range of f64 */
function finite(certificate: LowRankCertificate): LowRankCertificate {
  if (certificate.bound + certificate.rounding < Infinity) return certificate;
  throw new InvalidInputError(
    "The certified bound is above 1.8e308, the largest f64: it goes with the scale of A and of rowWeights. Multiply one of them by a smaller power of two.",
  );
}

/**
 * How far sigma may be above its value as computed, beyond what the relative slack covers, for the largest error of its square
 * (times unit^2). A Gram matrix sees nothing below 1e-8 of sigma_1 or so.
 */
function lost(sigma: number, slack: number, error: number, unit: number): number {
  const scaled = sigma * unit;
  return Math.max(0, Math.sqrt(scaled * scaled + error) - scaled * (1 + slack)) / unit;
}

function totalWeight(rows: EngineRows, weights: LowRankProblem["rowWeights"]): number {
  let total = weights ? 0 : rows.source.rows;
  if (weights) for (let i = 0; i < weights.length; ++i) total += weights[i];
  return total;
}

/** (sum s_i)^(1/p): the norm of rows of length 1. */
async function rootOfWeights(
  run: Run,
  rows: EngineRows,
  p: number,
  weights: LowRankProblem["rowWeights"],
): Promise<number> {
  const total = totalWeight(rows, weights);
  return p === Infinity ? Math.min(1, total) : run.power(total, 1 / p);
}

/**
 * Of a pair that does not project: an ellipsoid of R = A - left right itself, which is computed once, in f64, and kept in A's type, in memory
 * or where `store` opens a place. Cost: n d k multiply-adds for R, then those of Lewis weights.
 */
export async function residualCertificate(
  { run, rows, p, tolerance, rowWeights }: Pick<LowRankProblem, "run" | "rows" | "p" | "tolerance" | "rowWeights">,
  left: MatrixLike,
  right: Matrix,
  store?: CertifyOptions["residualStore"],
): Promise<LowRankCertificate> {
  const { rows: n, cols: d, dtype } = rows.source;
  const f64 = dtype === "f64";
  const numbers = (count: number) => (f64 ? new Float64Array(count) : new Float32Array(count));
  const place = await store?.();
  const data = numbers(place ? 0 : n * d);
  // Coded rows are themselves products, of fewer numbers.
  const coded = rowFactors(left, right);
  const pair = coded ?? { left: toRowSource(left, "left"), right };
  const leftRows = run.open(pair.left);
  await multiplyRows(run, leftRows, pair.right, true, async (start, product) => {
    coded?.complete(start, product);
    const count = product.length / d;
    const a = await run.gather(
      rows.source,
      Int32Array.from({ length: count }, (_, i) => start + i),
    );
    const block = place ? numbers(a.length) : data.subarray(start * d, start * d + a.length);
    for (let i = 0; i < a.length; ++i) block[i] = a[i] - product[i];
    await place?.write(block);
  });
  const rest = run.open(place ? await place.finish() : toRowSource({ data, rows: n, cols: d }));
  const scales = await profile(run, rest);
  setWeights(rest, { rowWeights });
  const ellipsoid = p === 2 ? undefined : await lewisEllipsoid(run, rest, scales, { p, tolerance });
  const plain = p === 2 ? await spectrum(run, rest, scales, { cut: () => 0, vectors: 0 }) : undefined;
  const gram = ellipsoid?.gram ?? plain!.gram;
  const { values } = await run.engine.dense("eigen", { matrix: gram, n: d, count: 0 });
  const sandwich = ellipsoid?.certificate ?? { lower: 1, upper: 1, slack: f64 ? 1e-12 : 1e-6 };
  const sigmaNext = Math.sqrt(Math.max(0, values[0])) / scales.unit;
  // Of the product: sums in f64 over the rank. Of R: kept in its type.
  const rightSize = Math.max(1, Math.sqrt(squaresOf(pair.right.data)));
  const leftSize = await rowNormBound(run, leftRows, await profile(run, leftRows), p, rowWeights);
  const size = await rowNormBound(run, rest, scales, p, rowWeights);
  const type = f64 ? "f64" : "f32";
  const step = smallestStep[type] * Math.sqrt(d) * (await rootOfWeights(run, rest, p, rowWeights));
  // Coded rows decode to f32.
  const relative = 2 * (pair.right.rows + 4) * unitRoundoff.f64 + (coded ? unitRoundoff.f32 : 0);
  const product = relative * leftSize * rightSize;
  const errors = [product + unitRoundoff[type] * size, step];
  const squareError = eigenvalueError(gram, d, n, plain?.wide ?? true);
  return provedBy(run, p, { sandwich, sigmaNext, squareError, unit: scales.unit, errors });
}

/**
 * Of a pair whose left is nearly A right+ (right+ the pseudoinverse, or the transpose where rows of right depend on each other), by
 * the ellipsoid of A:
 *
 *   A - left right = A (I - right+ right) + (A right+ - left) right
 *
 * the second term by its rows, as they are. Cost: n d k multiply-adds in f64 beside the ellipsoid; nothing of size n d is kept.
 */
async function projectionCertificate(
  problem: Pick<LowRankProblem, "run" | "rows" | "profile" | "p" | "rank" | "rowWeights" | "ellipsoid">,
  left: MatrixLike,
  right: Float64Array,
  plain: Pick<Spectrum, "gram" | "wide"> | undefined,
): Promise<LowRankCertificate> {
  const { run, rows, profile: scales, p, rank, rowWeights, ellipsoid } = problem;
  const { rows: n, cols: d, dtype } = rows.source;
  const transposed = transpose(right, rank, d);
  const rightGram = await run.engine.dense("multiply", {
    left: right,
    right: transposed,
    rows: rank,
    inner: d,
    cols: rank,
  });
  const { values } = await run.engine.dense("eigen", { matrix: rightGram, n: rank, count: 0 });
  const isRegular = values[rank - 1] > 1e-6 * values[0];
  const inverse = isRegular ? await pseudoInverse(run, right, rank, d) : transposed;
  const { gram, wide } = ellipsoid ? { gram: ellipsoid.gram, wide: true } : plain!;
  const sigmaNext = (await residualNorm(run, gram, right, rank, d, inverse)) / scales.unit;
  const leftRows = run.open(toRowSource(left, "left"));
  const leftFacts = await profile(run, leftRows);
  if (rowWeights) leftRows.state.set("weights", Float64Array.from(rowWeights));
  const pair = { left: rows.source, right: { data: inverse, rows: d, cols: rank } };
  const off = await residual(run, leftRows, leftFacts, { ...pair, p, mayOverflow: true });
  const rightNorm = Math.sqrt(Math.max(0, values[0]));
  // Sums in f64 over d columns err by so much beside |a_i| |right+|_F, times |right|.
  const sums =
    (d + 4) * unitRoundoff.f64 * Math.sqrt(rank) * (isRegular ? Math.sqrt(values[0] / values[rank - 1]) : values[0]);
  const size = await rowNormBound(run, rows, scales, p, rowWeights);
  const deviation = (await normOfRows(run, off, p, totalWeight(rows, rowWeights))) * rightNorm * (1 + 1e-12);
  const step = (dtype === "f64" ? Math.sqrt(d) * leastColumn : 0) * (await rootOfWeights(run, rows, p, rowWeights));
  const sandwich = ellipsoid?.certificate ?? { lower: 1, upper: 1, slack: dtype === "f64" ? 1e-12 : 1e-6 };
  const squareError = rank < d ? eigenvalueError(gram, d, n, wide) : 0;
  const errors = [deviation + sums * size, step];
  return provedBy(run, p, { sandwich, sigmaNext, squareError, unit: scales.unit, errors });
}

/**
 * An upper bound of (sum_i s_i |e_i|_2^p)^(1/p) from sums over the rows e_i: power means below 1, Hoelder between 1 and 2, the longest
 * row above 2.
 */
async function normOfRows(
  run: Run,
  { l21, l2, worstRow }: Pick<Objective, "l21" | "l2" | "worstRow">,
  p: number,
  total: number,
): Promise<number> {
  if (p === Infinity) return worstRow.norm;
  if (l2 === 0) return 0;
  if (p < 1) return (await run.power(total, 1 / p - 1)) * l21;
  if (p <= 2) return l21 * (await run.power(l2 / l21, (2 * (p - 1)) / p));
  return l2 * (await run.power(worstRow.norm / l2, (p - 2) / p));
}

/** An upper bound of (sum_i s_i |a_i|_2^p)^(1/p), by the inequality of power means. */
async function rowNormBound(
  run: Run,
  rows: EngineRows,
  { frobenius, unit }: Profile,
  p: number,
  weights: LowRankProblem["rowWeights"],
): Promise<number> {
  const total = totalWeight(rows, weights);
  let top = weights ? 0 : 1;
  if (weights) for (let i = 0; i < weights.length; ++i) top = Math.max(top, weights[i]);
  const norm = frobenius / unit;
  if (p >= 2) return (await run.power(top, 1 / p)) * norm;
  return total > 0 ? (await run.power(total, 1 / p - 0.5)) * Math.sqrt(top) * norm : 0;
}

export function checkCertify(options: CertifyOptions & { right: Matrix }, source: RowSource): void {
  const { left, right, p = 1, tolerance = 0.01, ellipsoid = "lewis", seed = 0 } = options;
  const { by = "residual", factorType = "f32" } = options;
  checkP(p, { above: 0, to: Infinity });
  checkTolerance(tolerance);
  checkSeed(seed);
  checkOneOf("ellipsoid", ellipsoid, ["lewis", "level-set"]);
  checkOneOf("by", by, ["residual", "projection"]);
  checkOneOf("factorType", factorType, ["f64", "f32", "f16", "bf16"]);
  if (ellipsoid === "level-set") checkP(p, { from: 1, to: Infinity });
  toRowSource(right, "right");
  if (right.cols !== source.cols) {
    throw new InvalidInputError(`right has ${right.cols} columns, but ${source.name ?? "A"} has ${source.cols}.`);
  }
  if (left) checkPairShapes({ left, right }, source);
}

/** An ellipsoid, and a bound for any right factor from anywhere: what `verify` proves again. */
export async function certify(
  run: Run,
  source: RowSource,
  options: CertifyOptions & { right: Matrix },
): Promise<LowRankCertificate> {
  const { p = 1, tolerance = 0.01, seed = 0, rowWeights } = options;
  const { data, rows: rank } = options.right;
  const right = Float64Array.from(data);
  const rows = run.open(source);
  run.expect(source.rows * source.cols * source.cols * 6);
  const scales = await run.cache.once("profile", () => profile(run, rows));
  setWeights(rows, { rowWeights });
  if (options.left && options.by !== "projection") {
    const { left, right, residualStore } = options;
    const certificate = await residualCertificate({ run, rows, p, tolerance, rowWeights }, left, right, residualStore);
    run.finish();
    return certificate;
  }
  let ellipsoid: LewisEllipsoid | undefined;
  if (p !== 2 && options.ellipsoid === "level-set") {
    const { levelSetGram } = await import("../geometry/level-set/level-set.js");
    ellipsoid = await levelSetGram(run, rows, scales, { p, seed, tolerance });
  } else if (p !== 2) ellipsoid = await lewisEllipsoid(run, rows, scales, { p, tolerance, cache: run.cache });
  const plain =
    p === 2 ? await spectrum(run, rows, scales, { cut: () => rank, vectors: 0, cache: run.cache }) : undefined;
  const shared = { run, rows, profile: scales, p, rank, rowWeights, tolerance, seed, ellipsoid } as const;
  let certificate: LowRankCertificate;
  if (options.left) certificate = await projectionCertificate(shared, options.left, right, plain);
  else {
    const factorType = options.factorType ?? (data instanceof Float64Array ? "f64" : "f32");
    const rightError = options.factorType && Math.sqrt(rank) * unitRoundoff[factorType];
    certificate = await certificateOf({ ...shared, factorType, vectors: rank }, right, right, { plain, rightError });
  }
  run.finish();
  return certificate;
}
