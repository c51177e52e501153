// A' diag(s) A itself, summed in f64: second moments of rows. One sweep, two for f64 rows whose squares leave the range.
import type { ResultOf } from "../../engine/operations/index.js";
import { InvalidInputError } from "../../errors.js";
import type { Matrix, RowSource } from "../../matrix.js";
import type { WeightedOptions } from "../../types/index.js";
import { exponentOf, timesPowerOfTwo } from "../coreset/far-weights.js";
import { profileOf } from "../profile.js";
import type { Run } from "../run.js";

const stage = "Gram matrix";

/** Cost: rows * cols^2 / 2 multiply-adds. */
export async function gram(
  run: Run,
  source: RowSource,
  { rowWeights }: WeightedOptions,
): Promise<Matrix<Float64Array>> {
  const { cols, dtype, name = "A" } = source;
  const rows = run.open(source);
  run.expect(source.rows * (2 * cols + 2 * cols * cols));
  if (rowWeights) rows.state.set("scale", Float64Array.from(rowWeights, Math.sqrt));
  const { gram: sums, ...profiled } = await run.sweep("gram", rows, stage, { wide: true, profile: true }, {});
  const { unit } = profileOf(run, source, profiled as ResultOf<"profile">);
  let data = sums;
  if (dtype === "f64" && unit !== 1) {
    const columnScale = new Float64Array(cols).fill(unit);
    const scaled = (await run.sweep("gram", rows, stage, { wide: true }, { columnScale })).gram;
    data = scaled.map((x) => timesPowerOfTwo(x, -2 * exponentOf(unit)));
  }
  run.finish();
  for (let at = 0; at < data.length; ++at) if (!Number.isFinite(data[at])) throw tooLarge(name, at, cols);
  return { data, rows: cols, cols };
}

function tooLarge(name: string, at: number, cols: number): InvalidInputError {
  const column = at % cols;
  return new InvalidInputError(
    `Entry (${Math.floor(at / cols)}, ${column}) of the Gram matrix of ${name} is above 1.8e308, the largest f64: multiply ${name} by a smaller power of two.`,
    { tensor: name, column },
  );
}
