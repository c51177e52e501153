// The sweep of a matrix in trellis codes: blocks of rows in rotated coordinates, coded line by line, each line's error taken off the later ones.
import { rotate } from "../../rotation.js";
import type { KroneckerRotation } from "../../types/index.js";
import { blockRows } from "../sweep.js";
import { reporter, reportReductions, residualOf } from "./factors.js";
import { nearestLevel } from "./levels.js";
import { formOf, operation, type Block, type Job } from "./operation.js";
import { searchWork } from "./work.js";

export interface TrellisParams {
  bits: number;
  windowBits: number;
  /** Rows of A. */
  rows: number;
  /** Rows of a block that are rows of A, the others are there to fill it; a multiple of 8. Of the last block they may be fewer. */
  segment: number;
  p: number;
  unit: number;
}

export interface TrellisShared {
  table: Float64Array;
  levels: Float64Array;
  /** Of the rotation. */
  mixing: Float64Array;
  signs: Float64Array;
  /** D x D, upper: what of the error of line k is taken off line r is feedback[k][r]. Without it nothing is. */
  feedback?: Float64Array;
  /** D: what squares of errors of each line, as it is coded, add to the error of products. */
  pivots?: Float64Array;
}

/** Lines whose errors are taken off the later ones together. */
const panel = 32;

/** Columns of rows that are moved to lines, or back, at a time: as many lines stay near. */
const strip = 16;

/** What the errors of a panel's lines add up to in the lines past it, by the kernel. */
function feedbackProduct({ frame }: Job, feedback: Float64Array, lines: number, width: number) {
  const { kernel } = frame;
  const { call } = kernel;
  const factors = frame.f64(blockRows * panel);
  const pairs = frame.bytes(call.pairBytes(2, blockRows, panel) >>> 0);
  const panels = frame.bytes(call.panelBytes(1, panel, width) >>> 0);
  const strip = frame.bytes(call.stripBytes(blockRows) >>> 0);
  const product = frame.f64(blockRows * width);
  const errors = frame.f64(panel * width);
  return {
    /** panel x width, in wasm memory. */
    errors,
    /** Takes off what `count` lines from `from` on erred. */
    subtract(X: Float64Array, from: number, count: number) {
      call.packPanels(1, panels, errors, count, width);
      for (let first = from + count; first < lines; first += blockRows) {
        const here = Math.min(blockRows, lines - first);
        const F = kernel.f64(factors, here * count);
        for (let k = 0; k < count; ++k)
          for (let r = 0, at = (from + k) * lines + first; r < here; ++r, ++at) F[r * count + k] = feedback[at];
        call.packPairs(2, pairs, factors, here, count);
        call.multiply(1, product, pairs, here, count, panels, width, strip);
        const P = kernel.f64(product, here * width);
        for (let i = 0, at = first * width; i < P.length; ++i, ++at) X[at] -= P[i];
      }
    },
  };
}

/**
 * Codes and the numbers of scales' levels, handed on; the report of what they decode to; `output`: the error of products, by pivots;
 * `beyond`: squares of what coordinates decode to that the rotation adds to those of A, where rows are 0.
 */
export const trellis = operation({
  reduce: { ...reportReductions, codes: "concat", scales: "concat", output: "sum", beyond: "sum" },
  work: (cols, { windowBits }, { feedback }) => cols * searchWork(windowBits) + (feedback ? cols * cols : 0),
  prepare(job: Job, params: TrellisParams, shared: TrellisShared) {
    const { frame, cols, dtype } = job;
    const { bits, windowBits, rows: n, segment, p } = params;
    const { levels, feedback, pivots } = shared;
    const { kernel } = frame;
    const { call } = kernel;
    const lines = shared.signs.length;
    const rotation: KroneckerRotation = {
      order: Math.sqrt(shared.mixing.length),
      mixing: Float32Array.from(shared.mixing),
      signs: Int8Array.from(shared.signs),
    };
    const [type, size] = dtype === "f64" ? (["f64", 8] as const) : (["f32", 4] as const);
    const table = frame.bytes(4 * shared.table.length);
    kernel.f32(table, shared.table.length).set(shared.table);
    const lineBytes = (segment * bits) / 8;
    const codes = frame.bytes(lines * lineBytes);
    const numbers = frame.bytes(segment);
    const [entries, decoded] = [0, 0].map(() => frame.bytes(4 * segment));
    const lineSums = frame.f64(3);
    const work = frame.bytes(call.trellisWorkBytes(segment, bits, windowBits) >>> 0);
    call.trellisPrepare(work, segment, bits, windowBits, table);
    const back = feedback && feedbackProduct(job, feedback, lines, segment);
    const rest = frame.bytes(size * blockRows * cols);
    const zeros = frame.copy(new Float64Array(blockRows));
    const residual = residualOf(job, formOf(job, 0), new Float64Array(cols), 1, params);
    const report = reporter(job, p);
    const output = frame.f64(2);
    const X = new Float64Array(lines * segment);
    const Y = new Float64Array(lines * segment);
    const scale = new Float64Array(segment);
    const lineOutputs = new Float64Array(segment);

    /** Rows in rotated coordinates, divided by their scales. */
    const load = (rows: Float32Array | Float64Array, count: number) => {
      const number = kernel.bytes(numbers, segment).fill(0);
      X.fill(0);
      for (let i = 0; i < count; ++i) {
        let sum = 0;
        for (let j = 0; j < cols; ++j) sum += rows[i * cols + j] * rows[i * cols + j];
        number[i] = nearestLevel(levels, Math.sqrt(sum / lines), 0);
        scale[i] = levels[number[i]];
      }
      for (let first = 0; first < cols; first += strip) {
        const end = Math.min(cols, first + strip);
        for (let i = 0; i < count; ++i) {
          if (scale[i] === 0) continue;
          for (let j = first; j < end; ++j) X[j * segment + i] = rows[i * cols + j] / scale[i];
        }
      }
      rotate(X, segment, rotation, false);
    };

    const code = (k: number, from: number, to: number) => {
      const x = X.subarray(k * segment, (k + 1) * segment);
      kernel.f32(entries, segment).set(x);
      const at = codes + k * lineBytes;
      call.trellisEncode(at, lineSums, entries, 1, segment, segment, bits, windowBits, table, work);
      call.trellisDecode(decoded, at, 1, segment, bits, windowBits, table, 0);
      const y = kernel.f32(decoded, segment);
      Y.set(y, k * segment);
      const pivot = pivots ? pivots[k] : 1;
      const errors = back && kernel.f64(back.errors + 8 * (k - from) * segment, segment);
      for (let i = 0; i < segment; ++i) {
        const error = x[i] - y[i];
        lineOutputs[i] += pivot * error * error;
        if (errors) errors[i] = error;
      }
      if (!errors) return;
      for (let r = k + 1; r < to; ++r) {
        const factor = feedback[k * lines + r];
        for (let i = 0, out = r * segment; i < segment; ++i, ++out) X[out] -= factor * errors[i];
      }
    };

    return (block: Block) => {
      const first = (block.first / blockRows) * segment;
      const count = Math.min(segment, n - first);
      const rows = kernel[type](block.pointer, count * cols);
      load(rows, count);
      lineOutputs.fill(0);
      for (let from = 0; from < lines; from += panel) {
        const to = Math.min(lines, from + panel);
        for (let k = from; k < to; ++k) code(k, from, to);
        back?.subtract(X, from, to - from);
      }
      rotate(Y, segment, rotation, true);
      const left = kernel[type](rest, count * cols);
      const outputs = kernel.f64(output, 2).fill(0);
      for (let i = 0; i < count; ++i) {
        const square = scale[i] * scale[i];
        outputs[0] += square * lineOutputs[i];
        for (let j = cols; j < lines; ++j) outputs[1] += square * Y[j * segment + i] * Y[j * segment + i];
      }
      for (let first = 0; first < cols; first += strip) {
        const end = Math.min(cols, first + strip);
        for (let i = 0; i < count; ++i)
          for (let j = first; j < end; ++j) left[i * cols + j] = rows[i * cols + j] - scale[i] * Y[j * segment + i];
      }
      residual.run(rest, count, zeros);
      const own = { ...block, rows: count, first, state: {} } as Block<"weights">;
      return {
        ...report(own, residual.sums),
        codes: { pointer: codes, count: lines * lineBytes, type: "bytes" as const },
        scales: { pointer: numbers, count: segment, type: "bytes" as const },
        output: { pointer: output, count: 1 },
        beyond: { pointer: output + 8, count: 1 },
      };
    };
  },
});

/** |a_i|_2, handed on. */
export const lengths = operation({
  reduce: { lengths: "concat" },
  work: (cols) => cols,
  prepare({ frame, cols, dtype }: Job) {
    const { kernel } = frame;
    const type = dtype === "f64" ? "f64" : "f32";
    const out = frame.f64(blockRows);
    return ({ pointer, rows }: Block) => {
      const x = kernel[type](pointer, rows * cols);
      const to = kernel.f64(out, rows);
      for (let i = 0, at = 0; i < rows; ++i) {
        let sum = 0;
        for (const end = at + cols; at < end; ++at) sum += x[at] * x[at];
        to[i] = Math.sqrt(sum);
      }
      return { lengths: { pointer: out, count: rows } };
    };
  },
});
