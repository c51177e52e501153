import { InlineEngine, type InlineOptions } from "./engine/inline.js";
import type { Engine } from "./engine/sweep.js";
import { DisposedError, InvalidInputError, throwIfAborted } from "./errors.js";
import { leverageScores } from "./geometry/leverage.js";
import { lewisWeights } from "./geometry/lewis.js";
import { profile } from "./geometry/profile.js";
import { residual } from "./geometry/factors.js";
import { Run } from "./geometry/run.js";
import { spectrum } from "./geometry/spectrum.js";
import { certify, lowRank } from "./low-rank.js";
import { readRows, toRowSource, type Matrix, type MatrixLike, type RowSource } from "./matrix.js";
import { checkMaxIterations, checkOneOf, checkP, checkRowWeights, checkSize, checkTolerance } from "./options.js";
import type {
  CertifyOptions,
  FactorPair,
  Loewner,
  LewisOptions,
  LowRankOptions,
  RunOptions,
  WeightedOptions,
} from "./types.js";

export type CreateOptions = InlineOptions;

/**
 * Compiles the kernel (once a program) and gives an instance with a memory of its own.
 * @throws {InvalidInputError} when tileRows is not a positive multiple of 256
 */
export async function createLoewner(options: CreateOptions = {}): Promise<Loewner> {
  return new Instance(await InlineEngine.create(options));
}

class Instance implements Loewner {
  private queue: Promise<unknown> = Promise.resolve();
  private disposed = false;

  constructor(private readonly engine: Engine) {}

  leverageScores(a: MatrixLike, options: WeightedOptions = {}) {
    return this.call(a, options, (run, source) => leverageScores(run, source, options));
  }

  lewisWeights(a: MatrixLike, options: LewisOptions = {}) {
    return this.call(
      a,
      options,
      (run, source) => lewisWeights(run, source, options),
      () => {
        const { p = 1, tolerance = 1e-6, maxIterations = 200 } = options;
        checkP(p);
        checkTolerance(tolerance);
        checkMaxIterations(maxIterations);
      },
    );
  }

  lowRank(a: MatrixLike, options: LowRankOptions) {
    return this.call(
      a,
      options,
      (run, source) => lowRank(run, source, options),
      (source) => {
        const { p = 1, tolerance = 0.01, method = "auto", objective = "lp", factorType = source.dtype } = options;
        checkSize(options, source);
        checkP(p);
        checkTolerance(tolerance);
        checkOneOf("method", method, ["auto", "lewis", "svd"]);
        checkOneOf("objective", objective, ["lp", "l21", "l2", "operator"]);
        checkOneOf("factorType", factorType, ["f64", "f32", "f16", "bf16"]);
      },
    );
  }

  singularValues(a: MatrixLike, options: WeightedOptions = {}) {
    return this.call(a, options, async (run, source) => {
      const rows = run.open(source);
      run.expect(source.rows * (2 * source.cols + source.cols ** 2));
      const known = await profile(run, rows);
      if (options.rowWeights) rows.state.set("scale", Float64Array.from(options.rowWeights, Math.sqrt));
      const { singularValues } = await spectrum(run, rows, known, { cut: () => source.cols - 1, vectors: false });
      run.finish();
      return singularValues;
    });
  }

  residual(a: MatrixLike, factors: FactorPair, options: WeightedOptions & { p?: number } = {}) {
    const { p = 1 } = options;
    return this.call(
      a,
      options,
      async (run, source) => {
        const rows = run.open(source);
        run.expect(source.rows * source.cols * (2 + 2 * factors.right.rows));
        const known = await profile(run, rows);
        if (options.rowWeights) rows.state.set("weights", Float64Array.from(options.rowWeights));
        const left = await readRows(toRowSource(factors.left, "left"));
        const objective = await residual(run, rows, known, { left, right: factors.right, p });
        run.finish();
        return objective;
      },
      (source) => {
        checkP(p);
        checkPair(factors, source);
      },
    );
  }

  certify(a: MatrixLike, right: Matrix, options: CertifyOptions = {}) {
    const { p = 1, tolerance = 0.01 } = options;
    return this.call(
      a,
      options,
      (run, source) => {
        const type = right.data instanceof Float64Array ? "f64" : "f32";
        return certify(run, source, Float64Array.from(right.data), right.rows, type, options);
      },
      (source) => {
        checkP(p);
        checkTolerance(tolerance);
        toRowSource(right, "right");
        if (right.cols !== source.cols) {
          throw new InvalidInputError(`right has ${right.cols} columns, but ${source.name ?? "A"} has ${source.cols}.`);
        }
      },
    );
  }

  multiply(
    { left, right }: FactorPair,
    sink: (start: number, rows: Float32Array | Float64Array) => void | Promise<void>,
    options: RunOptions = {},
  ) {
    return this.call(
      left,
      options,
      async (run, source) => {
        run.expect(source.rows * source.cols * right.cols);
        const rows = run.open(source);
        const matrix = Float64Array.from(right.data);
        const wide = source.dtype === "f64" || right.data instanceof Float64Array;
        await run.sweep(
          rows,
          "product",
          source.cols * right.cols,
          {
            op: "multiply",
            params: { wide: Number(wide) },
            reads: { shared: { matrix }, state: [] },
            writes: { state: [] },
            reduce: { product: "concat" },
          },
          (_name, start, block) => sink(start, block),
        );
        run.finish();
      },
      (source) => {
        toRowSource(right, "right");
        if (right.rows !== source.cols) {
          throw new InvalidInputError(
            `left has ${source.cols} columns, but right has ${right.rows} rows; the two must be equal.`,
          );
        }
      },
    );
  }

  dispose(): void {
    this.disposed = true;
    this.engine.dispose();
  }

  /** Checks at once, runs when the calls before it are done, and reports errors as a rejected promise. */
  private async call<T>(
    a: MatrixLike,
    options: WeightedOptions,
    body: (run: Run, source: RowSource) => Promise<T>,
    check?: (source: RowSource) => void,
  ): Promise<T> {
    if (this.disposed) throw new DisposedError();
    const source = toRowSource(a);
    check?.(source);
    checkRowWeights(options.rowWeights, source);
    throwIfAborted(options.signal);
    const turn = this.queue.then(() => {
      if (this.disposed) throw new DisposedError();
      return body(new Run(this.engine, options), source);
    });
    this.queue = turn.catch(() => undefined);
    return turn;
  }
}

function checkPair({ left, right }: FactorPair, source: RowSource): void {
  const shape = toRowSource(left, "left");
  toRowSource(right, "right");
  if (shape.rows !== source.rows || shape.cols !== right.rows || right.cols !== source.cols) {
    throw new InvalidInputError(
      `left (${shape.rows} x ${shape.cols}) times right (${right.rows} x ${right.cols}) does not have the shape of ${source.name ?? "A"} (${source.rows} x ${source.cols}).`,
    );
  }
}
