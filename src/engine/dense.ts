// The small dense steps between sweeps, f64, d x d.
import { LoewnerError } from "../errors.js";
import { withFrame, type Frame } from "../kernel/frame.js";
import type { Kernel } from "../kernel/load.js";
import { blockRows, type DenseResult, type DenseStep } from "./sweep.js";

const none = new Float64Array();

export function runDense(kernel: Kernel, step: DenseStep): DenseResult {
  return withFrame(kernel, (frame) => {
    switch (step.op) {
      case "eigen":
        return eigen(frame, step);
      case "inverseCholesky":
        return inverseCholesky(frame, step.matrix, step.n, step.tolerance);
      case "multiply":
        return multiply(frame, step);
      case "round": {
        const x = frame.copy(step.matrix);
        kernel.call.roundBlock(1, x, step.matrix.length, step.to);
        return { values: none, matrix: kernel.f64(x, step.matrix.length).slice(), pivot: -1 };
      }
      case "exp": {
        const x = frame.copy(step.values);
        kernel.call.expInPlace(x, step.values.length);
        return { values: kernel.f64(x, step.values.length).slice(), matrix: none, pivot: -1 };
      }
      case "log": {
        const x = frame.copy(step.values);
        kernel.call.logInPlace(x, step.values.length);
        return { values: kernel.f64(x, step.values.length).slice(), matrix: none, pivot: -1 };
      }
      case "random": {
        const x = frame.f64(step.count);
        const draw = step.kind === "uniform" ? kernel.call.uniforms : kernel.call.normals;
        draw(x, step.count, step.seed >>> 0, Math.floor(step.seed / 2 ** 32), step.stream, step.first);
        return { values: kernel.f64(x, step.count).slice(), matrix: none, pivot: -1 };
      }
      case "solve": {
        const { systems, sides, count, n } = step;
        const x = frame.copy(new Float64Array(count * n));
        const [G, b, work] = [frame.copy(systems), frame.copy(sides), frame.f64(n * n)];
        kernel.call.solveSystems(x, G, b, count, n, 1, work);
        return { values: none, matrix: kernel.f64(x, count * n).slice(), pivot: -1 };
      }
      case "power":
        return { values: new Float64Array([kernel.call.pow(step.base, step.exponent)]), matrix: none, pivot: -1 };
      case "powers":
        return { values: step.values.map((x) => kernel.call.pow(x, step.exponent)), matrix: none, pivot: -1 };
    }
  });
}

function eigen(frame: Frame, step: Extract<DenseStep, { op: "eigen" }>): DenseResult {
  const { kernel } = frame;
  const { matrix, n } = step;
  const count = step.vectors ? Math.min(step.count ?? n, n) : 0;
  // The matrix, the tridiagonal's vectors, and the rows asked for or half as many columns' worth of a merge's (eigen.ts).
  kernel.mustFit(count === 0 ? 8 * n * n : 8 * n * (2 * n + Math.max(count, n / 4)));
  const A = frame.copy(matrix);
  const w = frame.f64(n);
  const work = frame.bytes(kernel.call.eigenWorkBytes(n, count) >>> 0);
  const failed = kernel.call.eigen(A, w, n, work, count);
  if (failed !== 0) {
    throw new LoewnerError(
      "INVALID_INPUT",
      `The eigenvalues of a ${n} x ${n} Gram matrix did not converge (at number ${failed - 1}): its entries are past the range of f64. Bring rows, columns and row weights nearer to each other in scale.`,
    );
  }
  return { values: kernel.f64(w, n).slice(), matrix: kernel.f64(A, count * n).slice(), pivot: -1 };
}

function inverseCholesky(frame: Frame, matrix: Float64Array, n: number, tolerance: number): DenseResult {
  const { kernel } = frame;
  const L = frame.copy(matrix);
  const pivot = kernel.call.cholesky(L, n, tolerance);
  if (pivot >= 0) return { values: none, matrix: none, pivot };
  kernel.call.triangularInverse(L, n);
  const inverse = kernel.f64(L, n * n);
  const transposed = new Float64Array(n * n);
  for (let i = 0; i < n; ++i) for (let j = 0; j <= i; ++j) transposed[j * n + i] = inverse[i * n + j];
  return { values: none, matrix: transposed, pivot: -1 };
}

function multiply(
  frame: Frame,
  { left, right, rows, inner, cols }: Extract<DenseStep, { op: "multiply" }>,
): DenseResult {
  const { kernel } = frame;
  const X = frame.copy(left);
  const B = frame.copy(right);
  const panels = frame.bytes(kernel.call.panelBytes(1, inner, cols) >>> 0);
  const strip = frame.bytes(kernel.call.stripBytes(blockRows) >>> 0);
  const Y = frame.f64(rows * cols);
  const pairs = frame.bytes(kernel.call.pairBytes(2, blockRows, inner) >>> 0);
  kernel.call.packPanels(1, panels, B, inner, cols);
  for (let i = 0; i < rows; i += blockRows) {
    const here = Math.min(blockRows, rows - i);
    kernel.call.packPairs(2, pairs, X + i * inner * 8, here, inner);
    kernel.call.multiply(1, Y + i * cols * 8, pairs, here, inner, panels, cols, strip);
  }
  return { values: none, matrix: kernel.f64(Y, rows * cols).slice(), pivot: -1 };
}
