// Smallest ellipsoid that holds the rows (and, centred on 0, their negatives), and its polar, John's largest ellipsoid in a
// symmetric polytope.
//
// With u the optimum of enclosing.ts, M = sum u_i a_i a_i' and D the rank, centred: H = M^-1 / D. Free centre: the rows are
// lifted to (1, a_i), D is rank + 1, c = sum u_i a_i, and omega_i = 1 + (a_i - c)' (sum u_i a_i a_i' - c c')^-1 (a_i - c), so
// H = (sum u_i a_i a_i' - c c')^-1 / (D - 1). With omega_+ >= D in the place of D every row is held, converged or not.
// Polar: {x : x' H^-1 x <= 1} is the largest ellipsoid in {x : |a_i x| <= 1}, for a_i' H a_i <= 1 says that a_i x <= 1 there.
//
// Cost       2 sweeps for coordinates (3 with a free centre), one a round after that; each n d (d + O(1)) multiply-adds
import type { EngineRows } from "../../engine/engine.js";
import { InvalidInputError } from "../../errors.js";
import { type Matrix, type RowSource } from "../../matrix.js";
import { checkMaxIterations, checkTolerance } from "../../options.js";
import type { JohnOptions, JohnResult, MinVolumeOptions, MinVolumeResult } from "../../types/index.js";
import { encloseRows, largest, scores, type RowEnclosing } from "./enclosing-rows.js";
import { lifted } from "./lifted.js";
import { profile } from "../profile.js";
import type { Run } from "../run.js";
import { logAbsDeterminant, orthonormalSpan, outer, product, transpose } from "../basis/small-dense.js";
import { whiten } from "../basis/whiten.js";

export function checkMinVolume({ tolerance = 1e-7, maxIterations = 100, freeCenter = false }: MinVolumeOptions): void {
  checkTolerance(tolerance);
  checkMaxIterations(maxIterations);
  if (typeof freeCenter !== "boolean") {
    throw new InvalidInputError(`freeCenter must be true or false; got ${String(freeCenter)}.`);
  }
}

/**
 * The rank rule of whiten.ts takes n epsilon for the error of a Gram matrix. Sums along a tree of blocks err by no more than
 * a block's, and here a flat direction that is not flat would leave points outside: so n counts as 256 at most, and
 * directions thinner than 2.4e-7 of the set count as flat.
 */
const fewRows = 256;

/** The ellipsoid before it is put into anyone's coordinates. */
interface Solution extends RowEnclosing {
  rank: number;
  /** cols x rank: (a_i - c)' X X' (a_i - c) is at most `most`. */
  X: Float64Array;
  most: number;
  /** Power of two that brings the rows' entries near 1, or 1. */
  unit: number;
  /** max |(a_i - center)' Y|^2 over all rows, Y cols x rank: one sweep. */
  reach(Y: Float64Array, center: Float64Array): Promise<number>;
}

export async function minVolumeEllipsoid(
  run: Run,
  source: RowSource,
  options: MinVolumeOptions,
): Promise<MinVolumeResult> {
  const { rows: n, cols: d } = source;
  const { freeCenter = false } = options;
  const solution = await solve(run, source, options);
  const { rank, X, contacts, unit, iterations, residual, converged } = solution;
  const touching = await run.gather(source, contacts);
  const center = freeCenter ? product(solution.weights, touching, 1, contacts.length, d) : new Float64Array(d);
  let inside = X;
  let { most } = solution;
  let basis: Matrix<Float64Array> | undefined;
  if (rank < d) {
    const spread = touching.map((x, i) => (x - center[i % d]) * unit);
    basis = { data: orthonormalSpan(spread, contacts.length, d, rank), rows: d, cols: rank };
    inside = product(transpose(basis.data, d, rank), X, rank, d, rank);
    // Flat but for rounding: what is projected onto the basis must be held as well.
    if (rank > 0) most = Math.max(most, await solution.reach(product(basis.data, inside, d, rank, rank), center));
  }
  const logDet = 2 * (await logAbsDeterminant(run.engine, inside, rank)) - rank * (await log(run, most));
  const shape = inside.map((x) => x / Math.sqrt(most));
  const H = { data: representable(outer(shape, rank, rank), rank, source), rows: rank, cols: rank };
  run.finish();
  return {
    H,
    center,
    ...(basis && { basis }),
    logDet,
    rank,
    weights: spreadOut(solution, n),
    contacts,
    iterations,
    residual,
    converged,
    seconds: run.seconds,
  };
}

export async function johnEllipsoid(run: Run, source: RowSource, options: JohnOptions): Promise<JohnResult> {
  const { rows: n, cols: d } = source;
  const solution = await solve(run, source, { ...options, freeCenter: false });
  const { rank, X, most, contacts, weights, iterations, residual, converged } = solution;
  const touching = await run.gather(source, contacts);
  const scaled = new Float64Array(touching.length);
  contacts.forEach((_, i) => {
    // The root first, for rows of 1e150.
    const size = Math.sqrt(weights[i] * most);
    for (let j = 0; j < d; ++j) scaled[j * contacts.length + i] = touching[i * d + j] * size;
  });
  const H = { data: representable(outer(scaled, d, contacts.length), rank, source), rows: d, cols: d };
  const logDet = rank < d ? -Infinity : d * (await log(run, most)) - 2 * (await logAbsDeterminant(run.engine, X, d));
  run.finish();
  return {
    H,
    logDet,
    rank,
    weights: spreadOut(solution, n),
    contacts,
    iterations,
    residual,
    converged,
    seconds: run.seconds,
  };
}

async function solve(
  run: Run,
  source: RowSource,
  { freeCenter = false, tolerance = 1e-7, maxIterations = 100 }: MinVolumeOptions,
): Promise<Solution> {
  const { rows: n, cols: d } = source;
  const given = run.open(source);
  run.expect(n * (2 * d + 2 * d * d * (freeCenter ? 8 : 7)));
  const { columnScale, unit } = await profile(run, given);
  const space = freeCenter ? await affineSpan(run, source, columnScale) : await linearSpan(run, given, columnScale);
  const { rows, white, rank, apply } = space;
  const reach = async (Y: Float64Array, center: Float64Array) => largest(await scores(run, rows, apply(Y, center)));
  if (rank === 0) {
    // All rows are 0, or one and the same point.
    const one = { contacts: Int32Array.of(0), weights: Float64Array.of(1), transform: new Float64Array() };
    const exact = { top: 1, most: 1, iterations: 0, residual: 0, converged: true };
    return { ...one, ...exact, rank, X: new Float64Array(), unit, reach };
  }
  const found = await encloseRows(run, rows, white, { tolerance, maxIterations });
  if (!freeCenter) return { ...found, rank, X: found.transform, most: found.top, unit, reach };
  // The transform is upper triangular in the lifted coordinates, so what it does to (0, a) is its lower right part.
  const X = new Float64Array(d * rank);
  for (let j = 0; j < d; ++j) {
    for (let k = 0; k < rank; ++k) X[j * rank + k] = columnScale[j] * found.transform[(j + 1) * (rank + 1) + k + 1];
  }
  return { ...found, rank, X, most: found.top - 1, unit, reach };
}

export interface Span {
  rows: EngineRows;
  /** Coordinates in which the Gram matrix of the rows is the identity; a first row and column for the lifted one. */
  white: Float64Array;
  /** Dimension of the span, the lifted coordinate not counted. */
  rank: number;
  /** Of the column-equilibrated Gram matrix, from above. */
  condition: number;
  /** Gram matrix of the rows times columnScale, the lifted coordinate not counted. */
  gram: Float64Array;
  /** The map of the sweep's rows that is a -> (a - center)' Y of the given ones. */
  apply(Y: Float64Array, center: Float64Array): Float64Array;
}

/** Coordinates in which the Gram matrix of the rows is the identity, directions thinner than the rank rule left out. */
export async function linearSpan(run: Run, rows: EngineRows, columnScale: Float64Array): Promise<Span> {
  const { rows: n, cols: d, dtype } = rows.source;
  const G = await gram(run, rows, columnScale);
  const { transform, rank, condition } = await whiten(run.engine, G, { rows: Math.min(n, fewRows), cols: d, dtype });
  return {
    rows,
    white: transform.map((x, i) => x * columnScale[Math.floor(i / rank)]),
    rank,
    condition,
    gram: G,
    apply: (Y) => Y,
  };
}

async function affineSpan(run: Run, source: RowSource, columnScale: Float64Array): Promise<Span> {
  const { rows: n, cols: d, dtype } = source;
  const p = d + 1;
  // Sums of what the rows differ by from the first: equal columns give exact zeros.
  const first = (await run.gather(source, [0])).map((x, j) => x * columnScale[j]);
  const sums = await gram(run, run.open(lifted(source, columnScale, first, 1)));
  const mean = first.map((x, j) => x + sums[j + 1] / n);
  const rows = run.open(lifted(source, columnScale, mean, 1 / Math.sqrt(n)));
  const G = await gram(run, rows);
  const spread = new Float64Array(d * d);
  for (let j = 0; j < d; ++j) for (let k = 0; k < d; ++k) spread[j * d + k] = G[(j + 1) * p + k + 1];
  const { transform, rank, condition } = await whiten(run.engine, spread, {
    rows: Math.min(n, fewRows),
    cols: d,
    dtype,
  });
  const white = new Float64Array(p * (rank + 1));
  white[0] = 1;
  for (let j = 0; j < d; ++j) {
    for (let k = 0; k < rank; ++k) white[(j + 1) * (rank + 1) + k + 1] = transform[j * rank + k];
  }
  const apply = (Y: Float64Array, center: Float64Array) => {
    const map = new Float64Array(p * rank);
    for (let j = 0; j < d; ++j) {
      const off = (center[j] * columnScale[j] - mean[j]) * Math.sqrt(n);
      for (let k = 0; k < rank; ++k) {
        const y = Y[j * rank + k] / columnScale[j];
        map[(j + 1) * rank + k] = y;
        map[k] -= off * y;
      }
    }
    return map;
  };
  return { rows, white, rank, condition, gram: spread, apply };
}

async function gram(run: Run, rows: EngineRows, columnScale?: Float64Array): Promise<Float64Array> {
  return (await run.sweep("gram", rows, "Gram matrix", { wide: true, plain: true }, { columnScale })).gram;
}

/** All n weights, from those of the contacts. */
function spreadOut({ contacts, weights }: RowEnclosing, n: number): Float64Array {
  const all = new Float64Array(n);
  contacts.forEach((row, i) => (all[row] = weights[i]));
  return all;
}

/** @throws {InvalidInputError} when an entry passes the range of f64: those of H go like 1 / a^2 (a^2 for John's) */
function representable(H: Float64Array, rank: number, { name = "A" }: RowSource): Float64Array {
  const size = Math.sqrt(H.length);
  let smallest = Infinity;
  let largest = 0;
  for (let j = 0; j < size; ++j) {
    if (H[j * size + j] === 0 && rank < size) continue;
    smallest = Math.min(smallest, H[j * size + j]);
    largest = Math.max(largest, H[j * size + j]);
  }
  if (rank > 0 && !(smallest > 2 ** -1000 && largest < 2 ** 1000)) {
    throw new InvalidInputError(
      `The ellipsoid of ${name} has a matrix with entries past the range of f64 (they go with the square of the scale of the rows); multiply ${name} by a power of two that brings its entries near 1.`,
      { tensor: name },
    );
  }
  return H;
}

async function log(run: Run, x: number): Promise<number> {
  return (await run.engine.dense("log", Float64Array.of(x)))[0];
}
