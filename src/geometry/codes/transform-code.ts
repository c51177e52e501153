// Transform codes, near the rate-distortion bound of a Gaussian source: centre, axes, bits by reverse water-filling, trellis codes.
//
// Goyal, Theoretical foundations of transform coding (2001). A row is coded in three sweeps: scatter matrix, what coding would leave, codes. Nothing of size n is kept but codes, scales, and a few numbers a row.
import type { EngineRows } from "../../engine/engine.js";
import { searchWork } from "../../engine/operations/work.js";
import { InvalidInputError } from "../../errors.js";
import { toRowSource, type RowSource } from "../../matrix.js";
import { checkOneOf, checkP, checkSeed } from "../../options.js";
import { transformBytes } from "../../transform-codes.js";
import type {
  CodeBand,
  Objective,
  TransformCode,
  TransformCodeOptions,
  TransformCodeResult,
} from "../../types/index.js";
import { objectiveOf } from "../basis/factors.js";
import type { Run } from "../run.js";
import type { BitPlan } from "./bands.js";
import { CodePlanner, type CodePlan } from "./code-plan.js";
import { codeSweep } from "./code-sweep.js";
import { largest, withExactRows } from "./exact-rows.js";
import { checkMetric, metricOf, times, type Metric } from "./metric.js";
import { scaleLevels } from "./scale-levels.js";

export function checkTransformCode(options: TransformCodeOptions, source: RowSource): void {
  const { bytes, bitsPerEntry, maxError, p = 2, exactRows = "auto", windowBits = 10, seed = 0 } = options;
  const given = Object.entries({ bytes, bitsPerEntry, maxError }).filter(([, value]) => value !== undefined);
  if (given.length !== 1) {
    const found = given.length === 0 ? "none" : given.map(([key]) => key).join(" and ");
    throw new InvalidInputError(`Give exactly one of bytes, bitsPerEntry and maxError; got ${found}.`);
  }
  const [[name, value]] = given;
  if (!(typeof value === "number" && value > 0 && value < Infinity))
    throw new InvalidInputError(`${name} must be a number above 0; got ${value}.`);
  checkP(p);
  checkSeed(seed);
  checkMetric(options.metric, source);
  checkOnly(options, source);
  checkOneOf("aim", options.aim ?? "error", ["error", "reading", "comparing"]);
  checkOneOf("scale", options.scale ?? "least-squares", ["unbiased", "least-squares"]);
  if (![10, 12].includes(windowBits)) throw new InvalidInputError(`windowBits must be 10 or 12; got ${windowBits}.`);
  if (exactRows !== "auto" && !(Number.isSafeInteger(exactRows) && exactRows >= 0 && exactRows <= source.rows)) {
    throw new InvalidInputError(
      `exactRows must be "auto" or a whole number from 0 to ${source.rows}, the rows of ${source.name ?? "A"}; got ${exactRows}.`,
    );
  }
}

function checkOnly({ only, maxError }: TransformCodeOptions, { rows, name = "A" }: RowSource): void {
  if (!only) return;
  const bad = only.findIndex((row, at) => row >= rows || row <= only[at - 1]);
  if (maxError === undefined && bad < 0 && only.length) return;
  throw new InvalidInputError(
    `only: numbers of the ${rows} rows of ${name}, rising, without maxError; got ${only[bad]}.`,
  );
}

/** Components that have codes, as a share of all for each bit an entry has; and what an entry has where only its error is known. */
const codedShare = 0.3;
const usualBits = 3;

/** Cost: docs/codes.md. */
export async function transformCode(
  run: Run,
  source: RowSource,
  options: TransformCodeOptions,
): Promise<TransformCodeResult> {
  const { rows: n, cols: d } = source;
  const { bytes, bitsPerEntry = 0, maxError, windowBits = 10, seed = 0 } = options;
  const bits = maxError !== undefined ? usualBits : bytes !== undefined ? (8 * bytes) / (n * d) : bitsPerEntry;
  const coded = d * Math.min(1, codedShare * bits);
  run.expect(n * (5 * d * d + coded * (2 * d + searchWork(windowBits))));
  const rows = run.open(source);
  const metric = await metricOf(run, options.metric, d);
  const planner = new CodePlanner(run, rows, options, metric);
  const codeOf = async (most: number) => encodeRows(run, rows, await planner.plan(most), options, most, metric);
  const found =
    maxError === undefined
      ? await codeOf(bytes ?? Math.floor((bitsPerEntry * n * d) / 8))
      : await smallest(planner, codeOf, maxError);
  run.finish();
  return { ...found, seed, seconds: run.seconds };
}

type Found = Omit<TransformCodeResult, "seed" | "seconds">;

/** Codings at most. */
const mostTrials = 6;
/** Share of the error that may stay unused. */
const slack = 0.02;

/** The smallest code that errs by no more, as far as a few trials tell: what the last one erred beside its forecast corrects the next. */
async function smallest(planner: CodePlanner, codeOf: (bytes: number) => Promise<Found>, most: number): Promise<Found> {
  let best: Found | undefined;
  let aim = most;
  let top = Infinity;
  for (let trial = 0; trial < mostTrials; ++trial) {
    const { bytes, error, isMost } = await planner.bytesFor(aim);
    if (bytes >= top) break;
    const found = await codeOf(bytes);
    const { metricError } = found;
    if (metricError <= most && (!best || found.byteLength < best.byteLength)) [best, top] = [found, bytes];
    if (isMost && !best) {
      throw new InvalidInputError(
        `maxError ${most} is below what 8 bits a component reach: the squared error would be ${metricError.toPrecision(3)} of the squares.`,
      );
    }
    if (metricError <= most && metricError >= (1 - slack) * most) break;
    // A little below what is asked for once it was missed.
    aim = ((metricError > most ? 1 - slack / 2 : 1) * most * error) / metricError;
  }
  if (best) return best;
  return codeOf((await planner.bytesFor(aim / 2)).bytes);
}

/** @param most bytes */
async function encodeRows(
  run: Run,
  rows: EngineRows,
  { axes, plan, factors, sizes, errors: expected, levels: mostLevels, exact, predicted }: CodePlan,
  options: TransformCodeOptions,
  most: number,
  metric?: Metric,
): Promise<Found> {
  const { windowBits = 10, p = 2, rowWeights, only } = options;
  const coded = only ? run.open(await partOf(run, rows.source, only)) : rows;
  const { rows: n, cols } = coded.source;
  const { unit, zeros, squares, metricSquares } = axes;
  const bands = plan.bands.map(({ bits, cols }, b): CodeBand => {
    return { bits, cols, codes: new Uint8Array((n * bits * cols) / 8), right: factors.rights[b] };
  });
  const fitted = zeros === rows.source.rows ? [] : scaleLevels(sizes, bands.length ? mostLevels : 1);
  const levels = Float32Array.from(zeros > 0 ? [0, ...fitted] : fitted);
  const { scales, sums, errors } = await codeSweep(run, coded, axes, factors, options, bands, levels, metric);
  const centre = Float32Array.from(axes.centre);
  let code: TransformCode = {
    ...{ kind: "transform", rows: n, cols, windowBits, centre },
    ...{ bands, scales, scaleLevels: levels },
  };
  const weight = (row: number) => rowWeights?.[only?.[row] ?? row] ?? 1;
  const rowBytes = bands.reduce((sum, { bits, cols: width }) => sum + (bits * width) / 8, 1);
  const room = Math.floor((most - transformBytes(code) - (rows.source.rows - n) * rowBytes) / exact.rowBytes);
  errors.forEach((x, i) => (errors[i] = weight(i) * x));
  const count = Math.max(0, Math.min(exact.most, room));
  const found = largest(only ? expected : errors, count);
  const chosen = only ? found.filter((row) => only.includes(row)).map((row) => only.indexOf(row)) : found;
  if (chosen.length > 0) {
    const made = await withExactRows(run, coded.source, code, chosen, exact.bits);
    ({ code } = made);
    const counted = await times(run, made.rest, metric?.root, cols);
    chosen.forEach((row, at) => {
      const square = counted.subarray(at * cols, (at + 1) * cols).reduce((sum, x) => sum + x * unit * (x * unit), 0);
      errors[row] = weight(row) * square;
    });
    const values = made.rest.map((x) => Math.abs(x) * unit);
    for (const [k, exponent] of [1, 2, p].entries()) {
      const powers = await run.engine.dense("powers", { values, exponent });
      chosen.forEach((row, at) => {
        sums[3 * row + k] = powers.subarray(at * cols, (at + 1) * cols).reduce((sum, x) => sum + x, 0);
      });
    }
  }
  const objective = await objectiveFrom(run, sums, { p, unit, weight });
  const error = squares > 0 ? (objective.l2 * objective.l2) / squares : 0;
  const left = errors.reduce((sum, x) => sum + x, 0) / unit / unit;
  return {
    ...{ code, objective, error, predictedError: predicted, exactRows: chosen },
    metricError: !metric ? error : metricSquares > 0 ? left / metricSquares : 0,
    byteLength: transformBytes(code),
    variances: axes.variances.map((x) => x / unit / unit),
    bits: componentBits(plan, cols),
  };
}

/** Some of the rows, in memory. */
async function partOf(run: Run, source: RowSource, only: Uint32Array): Promise<RowSource> {
  const { cols, dtype } = source;
  const found = await run.gather(source, only);
  return toRowSource({ data: dtype === "f64" ? found : Float32Array.from(found), rows: only.length, cols });
}

function componentBits({ bands }: BitPlan, cols: number): Uint8Array {
  const result = new Uint8Array(cols);
  let first = 0;
  for (const { bits, cols: count } of bands) result.fill(bits, first, (first += count));
  return result;
}

/** From 3 sums a row: |r|, r^2, |r|^p, all times unit. */
function objectiveFrom(
  run: Run,
  sums: Float64Array,
  { p, unit, weight }: { p: number; unit: number; weight: (row: number) => number },
): Promise<Objective> {
  const total = new Float64Array(4);
  const worst = Float64Array.of(-1, 0);
  for (let i = 0; 3 * i < sums.length; ++i) {
    const [one, two, third] = sums.subarray(3 * i, 3 * i + 3);
    const norm = Math.sqrt(two);
    [p === 1 ? one : p === 2 ? two : third, one, norm, two].forEach((x, k) => (total[k] += weight(i) * x));
    if (norm > worst[0]) worst.set([norm, i]);
  }
  return objectiveOf(run, { sums: total, worst, top: new Float64Array(1) }, p, unit);
}
