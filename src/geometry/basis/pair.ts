// What any factor pair is worth, and its product: small public primitives around one sweep.
import type { EngineRows } from "../../engine/engine.js";
import type { ResultOf } from "../../engine/operations/index.js";
import { InvalidInputError } from "../../errors.js";
import { toRowSource, type Matrix, type RowSource } from "../../matrix.js";
import { checkOneOf, checkP } from "../../options.js";
import type {
  FactorPair,
  GramOptions,
  Objective,
  RunOptions,
  SingularValuesOptions,
  WeightedOptions,
} from "../../types/index.js";
import { residual } from "./factors.js";
import { profile, profileOf } from "../profile.js";
import { setWeights, type Run } from "../run.js";
import { profiledGram, spectrum, stage } from "./spectrum.js";

/** Singular values of diag(s)^(1/2) A, or of its rows less their weighted mean, descending, cols of them. */
export async function singularValues(
  run: Run,
  source: RowSource,
  options: SingularValuesOptions,
): Promise<Float64Array> {
  const { cols: d } = source;
  const rows = run.open(source);
  run.expect(source.rows * (2 * d + d * d));
  setWeights(rows, options);
  const { scales, gram: first } = await profiledGram(run, rows);
  const request = { cut: () => d - 1, vectors: 0, first, cache: run.cache };
  const { singularValues, wide } = await spectrum(run, rows, scales, request);
  const values = options.centred ? await centredValues(run, rows, scales.unit, wide) : singularValues;
  run.finish();
  checkReach(singularValues[0], "The largest singular value", source);
  return values;
}

/** By the scatter matrix about zero, less that of as many rows as there are, each the mean; rows of zeros stay as they are. */
async function centredValues(run: Run, rows: EngineRows, unit: number, wide: boolean): Promise<Float64Array> {
  const { cols: d } = rows.source;
  const params = { p: 2, unit, wide, triangular: false, rank: d };
  const { gram, moments } = await run.sweep("scatter", rows, "scatter matrix", params, {
    centre: new Float64Array(d),
  });
  const weight = moments[d] || 1;
  const centred = gram.map((x, at) => x - (moments[Math.floor(at / d)] / weight) * moments[at % d]);
  const { values } = await run.engine.dense("eigen", { matrix: centred, n: d, count: 0 });
  return values.map((x) => Math.sqrt(Math.max(0, x)) / unit);
}

/** A' diag(s) A, each product and sum in f64 unless told. Cost: n d^2 / 2 multiply-adds. */
export async function gram(
  run: Run,
  source: RowSource,
  { rowWeights, precision = "f64" }: GramOptions,
): Promise<Matrix<Float64Array>> {
  const { cols } = source;
  checkOneOf("precision", precision, ["f64", "f32"]);
  const rows = run.open(source);
  run.expect(2 * source.rows * (cols + cols * cols));
  if (rowWeights) rows.state.set("scale", Float64Array.from(rowWeights, Math.sqrt));
  const { gram: data, ...profiled } = await run.sweep(
    "gram",
    rows,
    stage,
    { wide: precision === "f64", profile: true },
    {},
  );
  profileOf(run, source, profiled as ResultOf<"profile">);
  run.finish();
  // The largest entry is on the diagonal.
  for (let at = 0; at < data.length; at += cols + 1) checkReach(data[at], "An entry of the Gram matrix", source);
  return { data, rows: cols, cols };
}

/** @throws {InvalidInputError} when f64 does not hold what the answer would be */
function checkReach(x: number, what: string, { name = "A" }: RowSource): void {
  if (x < Infinity) return;
  throw new InvalidInputError(
    `${what} of ${name} is above 1.8e308, the largest f64: multiply ${name} by a smaller power of two.`,
    { tensor: name },
  );
}

/** Error of a factor pair in every norm. Cost: n d k multiply-adds. */
export async function pairResidual(
  run: Run,
  source: RowSource,
  { left, right, p = 1, rowWeights }: FactorPair & WeightedOptions & { p?: number },
): Promise<Objective> {
  const rows = run.open(source);
  run.expect(source.rows * source.cols * (2 + 2 * right.rows));
  const known = await run.cache.once("profile", () => profile(run, rows));
  if (rowWeights) rows.state.set("weights", Float64Array.from(rowWeights));
  const objective = await residual(run, rows, known, { left: toRowSource(left, "left"), right, p });
  run.finish();
  return objective;
}

export function checkPairResidual({ left, right, p = 1 }: FactorPair & { p?: number }, source: RowSource): void {
  checkP(p, { above: 0, to: Infinity });
  checkPairShapes({ left, right }, source);
}

/** @throws {InvalidInputError} unless left right has the shape of the source */
export function checkPairShapes({ left, right }: FactorPair, source: RowSource): void {
  const shape = toRowSource(left, "left");
  toRowSource(right, "right");
  if (shape.rows !== source.rows || shape.cols !== right.rows || right.cols !== source.cols) {
    throw new InvalidInputError(
      `left (${shape.rows} x ${shape.cols}) times right (${right.rows} x ${right.cols}) does not have the shape of ${source.name ?? "A"} (${source.rows} x ${source.cols}).`,
    );
  }
}

export interface MultiplyOptions extends RunOptions {
  right: Matrix;
  sink: (start: number, rows: Float32Array | Float64Array) => void | Promise<void>;
}

/** left * right, handed to `sink` in row order. Cost: n k d multiply-adds. */
export async function multiply(run: Run, left: RowSource, { right, sink }: MultiplyOptions): Promise<void> {
  run.expect(left.rows * left.cols * right.cols);
  const wide = left.dtype === "f64" || right.data instanceof Float64Array;
  await multiplyRows(run, run.open(left), right, wide, sink);
  run.finish();
}

/** The same for drivers; `wide`: sums in f64, and f64 is what `sink` gets. */
export async function multiplyRows(
  run: Run,
  left: EngineRows,
  right: Matrix,
  wide: boolean,
  sink: MultiplyOptions["sink"],
): Promise<void> {
  const matrix = Float64Array.from(right.data);
  await run.sweep("multiply", left, "product", { wide }, { matrix }, { emit: sink });
}

export function checkMultiply({ right }: { right: Matrix }, left: RowSource): void {
  toRowSource(right, "right");
  if (right.rows !== left.cols) {
    throw new InvalidInputError(
      `left has ${left.cols} columns, but right has ${right.rows} rows; the two must be equal.`,
    );
  }
}
