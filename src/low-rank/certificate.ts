// What is proved of a low-rank approximation: |(A - left right) x|_p <= (bound (1 + slack) + rounding) |x|_2.
import type { EngineRows } from "../engine/engine.js";
import { InvalidInputError } from "../errors.js";
import { smallestStep, unitRoundoff } from "../geometry/factors.js";
import { checkPairShapes, multiplyRows } from "../geometry/pair.js";
import { leastColumn, profile, type Profile } from "../geometry/profile.js";
import { setWeights, type Run } from "../geometry/run.js";
import { eigenvalueError, residualNorm, spectrum, type Spectrum } from "../geometry/spectrum.js";
import { toRowSource, type Matrix, type MatrixLike, type RowSource } from "../matrix.js";
import { checkOneOf, checkP, checkSeed, checkTolerance } from "../options.js";
import type { CertifyOptions, LowRankCertificate } from "../types/index.js";
import { ellipsoidOf, levelSetOf, type Ellipsoid, type Task } from "./task.js";

/** The certificate of ALGORITHMS: for a basis of any origin, bound = upper sigma_1(M (I - V V')). */
export async function certificateOf(
  task: Task,
  basis: Float64Array,
  right: Float64Array,
  known: { sigmaNext?: number; plain?: Pick<Spectrum, "gram" | "wide">; ellipsoid?: Ellipsoid },
): Promise<LowRankCertificate> {
  const { run, rows, profile, rank, p, factorType, rowWeights } = task;
  const ellipsoid = known.ellipsoid ?? task.ellipsoid;
  const { cols: d, dtype } = rows.source;
  const f64 = dtype === "f64";
  const sandwich = ellipsoid?.certificate ?? { lower: 1, upper: 1, slack: f64 ? 1e-12 : 1e-6 };
  const { gram, wide } = ellipsoid ? { gram: ellipsoid.gram, wide: true } : (known.plain ?? task.spectrum!);
  const sigmaNext = known.sigmaNext ?? (await residualNorm(run, gram, basis, rank, d)) / profile.unit;
  let rightError = 0;
  for (let i = 0; i < right.length; ++i) rightError += (right[i] - basis[i]) * (right[i] - basis[i]);
  // Products are summed 256 deep, then added up: gamma of that depth, for k columns; then the rounding of left itself.
  const working = unitRoundoff[f64 || factorType === "f64" ? "f64" : "f32"];
  const gamma = (Math.min(d, 256) + Math.ceil(d / 256) + 2) * working;
  const relative = Math.sqrt(rank) * (gamma + unitRoundoff[factorType]) + Math.sqrt(rightError);
  const factorError = relative * (await rowNormBound(run, rows, profile, p, rowWeights));
  // Numbers too small to be rounded beside themselves, and columns that count as zeros.
  const step = Math.sqrt(rank) * smallestStep[factorType] + (f64 ? Math.sqrt(d) * leastColumn : 0);
  const error = rank < d ? eigenvalueError(gram, d, rows.source.rows, wide) : 0;
  const loss = sandwich.upper * lost(sigmaNext, sandwich.slack, error, profile.unit);
  const stepError = step * (await rootOfWeights(run, rows, p, rowWeights));
  return finite({
    ...sandwich,
    sigmaNext,
    bound: sandwich.upper * sigmaNext,
    rounding: factorError + stepError + loss,
  });
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

/** (sum s_i)^(1/p): the norm of rows of length 1. */
async function rootOfWeights(run: Run, rows: EngineRows, p: number, weights: Task["rowWeights"]): Promise<number> {
  let total = weights ? 0 : rows.source.rows;
  if (weights) for (let i = 0; i < weights.length; ++i) total += weights[i];
  return p === Infinity ? Math.min(1, total) : run.power(total, 1 / p);
}

/**
 * Of a pair that does not project: an ellipsoid of R = A - left right itself, which is computed once, in f64, and kept in memory
 * in A's type. Cost: n d k multiply-adds for R, then those of Lewis weights.
 */
export async function residualCertificate(
  { run, rows, p, tolerance, rowWeights }: Pick<Task, "run" | "rows" | "p" | "tolerance" | "rowWeights">,
  left: MatrixLike,
  right: Matrix,
): Promise<LowRankCertificate> {
  const { rows: n, cols: d, dtype } = rows.source;
  const f64 = dtype === "f64";
  const data = f64 ? new Float64Array(n * d) : new Float32Array(n * d);
  const leftRows = run.open(toRowSource(left, "left"));
  await multiplyRows(run, leftRows, right, true, async (start, product) => {
    const count = product.length / d;
    const a = await run.gather(
      rows.source,
      Int32Array.from({ length: count }, (_, i) => start + i),
    );
    for (let i = 0; i < a.length; ++i) data[start * d + i] = a[i] - product[i];
  });
  const rest = run.open(toRowSource({ data, rows: n, cols: d }));
  const facts = await profile(run, rest);
  setWeights(rest, { rowWeights });
  const ellipsoid = p === 2 ? undefined : await ellipsoidOf(run, rest, facts, { p, tolerance });
  const plain = p === 2 ? await spectrum(run, rest, facts, { cut: () => 0, vectors: 0 }) : undefined;
  const gram = ellipsoid?.gram ?? plain!.gram;
  const { values } = await run.engine.dense("eigen", { matrix: gram, n: d, count: 0 });
  const sandwich = ellipsoid?.certificate ?? { lower: 1, upper: 1, slack: f64 ? 1e-12 : 1e-6 };
  const sigmaNext = Math.sqrt(Math.max(0, values[0])) / facts.unit;
  // Of the product: sums in f64 over the rank, of rows no longer than left's. Of R: kept in its type.
  const leftSize = await rowNormBound(run, leftRows, await profile(run, leftRows), p, rowWeights);
  const size = await rowNormBound(run, rest, facts, p, rowWeights);
  const type = f64 ? "f64" : "f32";
  const step = smallestStep[type] * Math.sqrt(d) * (await rootOfWeights(run, rest, p, rowWeights));
  const rounding = 2 * (right.rows + 4) * unitRoundoff.f64 * leftSize + unitRoundoff[type] * size + step;
  const error = eigenvalueError(gram, d, n, plain?.wide ?? true);
  const loss = sandwich.upper * lost(sigmaNext, sandwich.slack, error, facts.unit);
  return finite({ ...sandwich, sigmaNext, bound: sandwich.upper * sigmaNext, rounding: rounding + loss });
}

/** An upper bound of (sum_i s_i |a_i|_2^p)^(1/p), by the inequality of power means. */
async function rowNormBound(
  run: Run,
  rows: EngineRows,
  { frobenius, unit }: Profile,
  p: number,
  weights: Task["rowWeights"],
): Promise<number> {
  let total = rows.source.rows;
  let top = 1;
  if (weights) {
    total = top = 0;
    for (let i = 0; i < weights.length; ++i) {
      total += weights[i];
      top = Math.max(top, weights[i]);
    }
  }
  const norm = frobenius / unit;
  if (p >= 2) return (await run.power(top, 1 / p)) * norm;
  return total > 0 ? (await run.power(total, 1 / p - 0.5)) * Math.sqrt(top) * norm : 0;
}

export function checkCertify(
  { left, right, p = 1, tolerance = 0.01, ellipsoid = "lewis", seed = 0 }: CertifyOptions & { right: Matrix },
  source: RowSource,
): void {
  checkP(p, { above: 0, to: Infinity });
  checkTolerance(tolerance);
  checkSeed(seed);
  checkOneOf("ellipsoid", ellipsoid, ["lewis", "level-set"]);
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
  const facts = await run.facts.once("profile", () => profile(run, rows));
  setWeights(rows, { rowWeights });
  if (options.left) {
    const certificate = await residualCertificate({ run, rows, p, tolerance, rowWeights }, options.left, options.right);
    run.finish();
    return certificate;
  }
  const ellipsoid =
    p === 2
      ? undefined
      : options.ellipsoid === "level-set"
        ? await levelSetOf({ run, rows, profile: facts, p, seed, tolerance })
        : await ellipsoidOf(run, rows, facts, { p, tolerance, known: run.facts });
  const plain = p === 2 ? await spectrum(run, rows, facts, { cut: () => rank, vectors: 0 }) : undefined;
  const factorType = data instanceof Float64Array ? "f64" : "f32";
  const shared = { run, rows, profile: facts, p, rank, factorType, rowWeights, tolerance, seed } as const;
  const task: Task = { ...shared, vectors: rank, ellipsoid };
  const certificate = await certificateOf(task, right, right, { plain });
  run.finish();
  return certificate;
}
