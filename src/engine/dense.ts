// The small dense steps between sweeps, on matrices of f64: each declared once, with what it takes and what it gives.
import { LoewnerError } from "../errors.js";
import { withFrame, type Frame } from "../kernel/frame.js";
import type { Kernel } from "../kernel/load.js";
import { blockRows } from "./sweep.js";

export interface Symmetric {
  /** n x n */
  matrix: Float64Array;
  n: number;
}

export interface Product {
  /** rows x inner */
  left: Float64Array;
  /** inner x cols */
  right: Float64Array;
  rows: number;
  inner: number;
  cols: number;
}

export interface Draw {
  kind: "uniform" | "normal";
  /** 0 ... 2^53 - 1 */
  seed: number;
  /** One a purpose, so that no two purposes share numbers. */
  stream: number;
  first: number;
  count: number;
}

export interface Eigen {
  /** n of them, descending. */
  values: Float64Array;
  /** Row j: the vector of values[j]. As many as were asked for. */
  vectors: Float64Array;
}

export function notConverged(n: number, at: number): LoewnerError {
  return new LoewnerError(
    "INVALID_INPUT",
    `The eigenvalues of a ${n} x ${n} Gram matrix did not converge (at number ${at}): its entries are past the range of f64. Bring rows, columns and row weights nearer to each other in scale.`,
  );
}

const steps = {
  /** `count`: vectors wanted, all by default; fewer cost less. Values and vectors have the same bits whatever is asked for. */
  eigen(frame: Frame, { matrix, n, count = n }: Symmetric & { count?: number }): Eigen {
    const { kernel } = frame;
    const wanted = Math.min(count, n);
    // The matrix, the tridiagonal's vectors, and the rows asked for or half as many columns' worth of a merge's (eigen.ts).
    kernel.mustFit(wanted === 0 ? 8 * n * n : 8 * n * (2 * n + Math.max(wanted, n / 4)));
    const A = frame.copy(matrix);
    const w = frame.f64(n);
    const work = frame.bytes(kernel.call.eigenWorkBytes(n, wanted) >>> 0);
    const failed = kernel.call.eigen(A, w, n, work, wanted);
    if (failed !== 0) throw notConverged(n, failed - 1);
    return { values: kernel.f64(w, n).slice(), vectors: kernel.f64(A, wanted * n).slice() };
  },

  /** L^-T, upper triangular, of a Gram matrix G = L L'; or the first pivot that is not above `tolerance` times its diagonal entry. */
  inverseCholesky(
    frame: Frame,
    { matrix, n, tolerance }: Symmetric & { tolerance: number },
  ): { inverse: Float64Array } | { failedPivot: number } {
    const { kernel } = frame;
    const L = frame.copy(matrix);
    const work = frame.bytes(kernel.call.factorWorkBytes(n) >>> 0);
    const failedPivot = kernel.call.cholesky(L, n, tolerance, work);
    if (failedPivot >= 0) return { failedPivot };
    kernel.call.triangularInverse(L, n, work);
    const lower = kernel.f64(L, n * n);
    const inverse = new Float64Array(n * n);
    for (let i = 0; i < n; ++i) for (let j = 0; j <= i; ++j) inverse[j * n + i] = lower[i * n + j];
    return { inverse };
  },

  /** left right, rows x cols */
  multiply(frame: Frame, { left, right, rows, inner, cols }: Product): Float64Array {
    const { kernel } = frame;
    const { call } = kernel;
    kernel.mustFit(16 * inner * cols);
    const panels = frame.bytes(call.panelBytes(1, inner, cols) >>> 0);
    const mark = kernel.top;
    call.packPanels(1, panels, frame.copy(right), inner, cols);
    // A block of rows at a time, in the place that `right` had.
    kernel.top = mark;
    const X = frame.f64(blockRows * inner);
    const Y = frame.f64(blockRows * cols);
    const strip = frame.bytes(call.stripBytes(blockRows) >>> 0);
    const pairs = frame.bytes(call.pairBytes(2, blockRows, inner) >>> 0);
    const product = new Float64Array(rows * cols);
    for (let i = 0; i < rows; i += blockRows) {
      const here = Math.min(blockRows, rows - i);
      kernel.f64(X, here * inner).set(left.subarray(i * inner, (i + here) * inner));
      call.packPairs(2, pairs, X, here, inner);
      call.multiply(1, Y, pairs, here, inner, panels, cols, strip);
      product.set(kernel.f64(Y, here * cols), i * cols);
    }
    return product;
  },

  /** Rounded to f32 (1), f16 (2) or bf16 (3). */
  round(frame: Frame, { matrix, to }: { matrix: Float64Array; to: number }): Float64Array {
    return inPlace(frame, matrix, (x, count) => frame.kernel.call.roundBlock(1, x, count, to));
  },

  exp: (frame: Frame, values: Float64Array) => inPlace(frame, values, frame.kernel.call.expInPlace),

  log: (frame: Frame, values: Float64Array) => inPlace(frame, values, frame.kernel.call.logInPlace),

  power: ({ kernel }: Frame, { base, exponent }: { base: number; exponent: number }): number =>
    kernel.call.pow(base, exponent),

  powers: ({ kernel }: Frame, { values, exponent }: { values: Float64Array; exponent: number }): Float64Array =>
    values.map((x) => kernel.call.pow(x, exponent)),

  /** Number i belongs to index first + i (assembly/random.ts). */
  random(frame: Frame, { kind, seed, stream, first, count }: Draw): Float64Array {
    const { uniforms, normals } = frame.kernel.call;
    const draw = kind === "uniform" ? uniforms : normals;
    return inPlace(frame, new Float64Array(count), (x) =>
      draw(x, count, seed >>> 0, Math.floor(seed / 2 ** 32), stream, first),
    );
  },

  /**
   * Row i (of count x n) solves symmetric system i of n unknowns, given as packed lower triangles and right-hand sides; 0 where that is
   * not positive definite.
   */
  solve(
    frame: Frame,
    { systems, sides, count, n }: { systems: Float64Array; sides: Float64Array; count: number; n: number },
  ): Float64Array {
    return inPlace(frame, new Float64Array(count * n), (x) => {
      const [G, b, work] = [frame.copy(systems), frame.copy(sides), frame.f64(n * n)];
      frame.kernel.call.solveSystems(x, G, b, count, n, 1, work);
    });
  },
};

/** What becomes of a copy of `values` in wasm memory. */
function inPlace(frame: Frame, values: Float64Array, body: (at: number, count: number) => void): Float64Array {
  const at = frame.copy(values);
  body(at, values.length);
  return frame.kernel.f64(at, values.length).slice();
}

type Steps = typeof steps;
export type DenseName = keyof Steps;
export type DenseInput<Name extends DenseName> = Parameters<Steps[Name]>[1];
export type DenseResult<Name extends DenseName> = ReturnType<Steps[Name]>;

export function runDense<Name extends DenseName>(
  kernel: Kernel,
  name: Name,
  input: DenseInput<Name>,
): DenseResult<Name> {
  const step = steps[name] as (frame: Frame, input: DenseInput<Name>) => DenseResult<Name>;
  return withFrame(kernel, (frame) => step(frame, input));
}

/** Multiply-adds of the steps that may take long, or what is as long. */
export function denseWork(input: DenseInput<DenseName>): number {
  if ("inner" in input) return input.rows * input.inner * input.cols;
  return "n" in input && "matrix" in input ? 16 * input.n * input.n * input.n : 0;
}

/** Columns from which on threads share an eigenproblem: at 1024 messages cost what they save. And each side of a product. */
const sharedSize = 2048;
const sharedSides = 768;

/** Whether threads do it sooner together than one of them does. */
export function isWorthSharing(name: DenseName, input: DenseInput<DenseName>): boolean {
  if (name === "eigen") return (input as DenseInput<"eigen">).n >= sharedSize;
  return name === "multiply" && denseWork(input) >= sharedSides * sharedSides * sharedSides;
}
