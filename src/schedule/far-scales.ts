// Calls whose numbers leave the range of f64 on the way, though their answers do not: f64 rows too small for their squares, row
// weights too large or too small for sums. They run on powers of two times these, which is exact, and their results are put back.
import type { Engine } from "../engine/engine.js";
import { InvalidInputError } from "../errors.js";
import type { Cache } from "../geometry/matrix-cache.js";
import { exponentOf, scaledWeights, timesPowerOfTwo, weightExponent } from "../geometry/coreset/far-weights.js";
import { Run, TooSmall } from "../geometry/run.js";
import { isRowSource, toRowSource, widenRows, type MatrixLike, type RowSource } from "../matrix.js";
import type { FactorType, LeftSink, Progress, RowWeights, RunOptions } from "../types/index.js";
import { loadPrimitive } from "./primitives/index.js";
import { Scale } from "./scale.js";

type Options = Readonly<Record<string, unknown>> & { rowWeights?: RowWeights; p?: number };

interface PrimitiveCall {
  engine: Engine;
  source: RowSource;
  options: Options;
  hooks: RunOptions;
  cache?: Cache;
}

/** Runs a primitive, whose options are checked already. */
export async function runPrimitive(
  name: string,
  { engine, source, options, hooks, cache }: PrimitiveCall,
): Promise<unknown> {
  const { run, restore, scalesRows } = await loadPrimitive(name);
  const weights = weightExponent(options.rowWeights);
  const rowWeights = weights === 0 ? options.rowWeights : scaledWeights(options.rowWeights!, weights);
  const attempt = async (own: Run, entries: number) => {
    if (entries === 0 && weights === 0) return run(own, source, options);
    const scaled = { ...(entries ? scaledOptions(options, entries) : options), rowWeights };
    const result = await run(own, entries ? scaledRows(source, entries) : source, scaled);
    return restore ? restore(result, new Scale(own, entries, weights, options.p ?? 1)) : result;
  };
  let last: Progress | undefined;
  const onProgress = hooks.onProgress && ((progress: Progress) => hooks.onProgress!((last = progress)));
  const { signal } = hooks;
  try {
    return await attempt(new Run(engine, { signal, onProgress }, cache, scalesRows ? source : undefined), 0);
  } catch (error) {
    if (!(error instanceof TooSmall)) throw error;
    // Progress goes on where it was. Facts are of the rows as they are.
    const goOn =
      hooks.onProgress &&
      ((progress: Progress) =>
        hooks.onProgress!({ ...progress, done: Math.min(progress.total, Math.max(progress.done, last?.done ?? 0)) }));
    return attempt(new Run(engine, { signal, onProgress: goOn }), -exponentOf(error.top));
  }
}

/** A times 2^exponent, exactly as far as f64 reaches. */
function scaledRows(source: RowSource, exponent: number): RowSource {
  const { rows, cols, name } = source;
  let wide = new Float64Array();
  return {
    rows,
    cols,
    dtype: "f64",
    name,
    async read(start, count) {
      if (wide.length < count * cols) wide = new Float64Array(count * cols);
      await widenRows(source, start, count, wide);
      for (let i = 0; i < count * cols; ++i) wide[i] = timesPowerOfTwo(wide[i], exponent);
      return new Uint8Array(wide.buffer, 0, 8 * count * cols);
    },
  };
}

/** A left factor among the options, to be read or to be handed over, is of the same scale as A. */
function scaledOptions(options: Options, exponent: number): Options {
  const { left, factorType = "f64" } = options as Options & {
    left?: MatrixLike | LeftSink | false;
    factorType?: FactorType;
  };
  if (factorType !== "f64") {
    throw new InvalidInputError(
      `factorType "${factorType}" cannot hold a left factor as small as A, whose entries are all below 2^-400: take "f64", or multiply A by a power of two.`,
    );
  }
  if (typeof left === "function") {
    const sink: LeftSink = (start, rows) =>
      left(
        start,
        rows.map((x) => timesPowerOfTwo(x, -exponent)),
      );
    return { ...options, left: sink };
  }
  const isMatrix = typeof left === "object" && left !== null;
  const own = isMatrix ? scaledRows(isRowSource(left) ? left : toRowSource(left, "left"), exponent) : left;
  return { ...options, ...(isMatrix && { left: own }) };
}
