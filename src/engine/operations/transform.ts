// The sweeps of transform codes: the scatter of centred rows, and the codes themselves.
import type { Form } from "../../kernel/abi.js";
import { blockRows } from "../sweep.js";
import { residualOf } from "./factors.js";
import { gramSums, profileReductions, profiler } from "./gram.js";
import { squaredProducts } from "./lewis.js";
import { nearestLevel } from "./levels.js";
import { formOf, operation, packer, product, type Block, type Flag, type Job } from "./operation.js";
import { searchWork } from "./work.js";

/** Rows less their centre, times a power of two, in memory of their own and of the rows' type. */
function centredRows({ frame, cols, dtype }: Job, centre: Float64Array, unit: number) {
  const { kernel } = frame;
  const [type, size] = dtype === "f64" ? (["f64", 8] as const) : (["f32", 4] as const);
  const pointer = frame.bytes(blockRows * cols * size);
  /** |a_i|^2 of the block. A row whose is 0 stays 0. */
  const squares = new Float64Array(blockRows);
  return {
    pointer,
    squares,
    run({ pointer: at, rows }: Block) {
      const from = kernel[type](at, rows * cols);
      const to = kernel[type](pointer, rows * cols);
      for (let i = 0, first = 0; i < rows; ++i, first += cols) {
        let sum = 0;
        for (let j = 0; j < cols; ++j) {
          const x = from[first + j];
          sum += x * x;
          to[first + j] = (x - centre[j]) * unit;
        }
        squares[i] = sum;
        if (sum === 0) to.fill(0, first, first + cols);
      }
      return to;
    },
  };
}

export interface ScatterParams {
  p: number;
  unit: number;
  /** Of the products and of the Gram matrix. */
  wide: Flag;
  triangular: Flag;
  /** Columns of the transform. */
  rank: number;
}

export interface ScatterShared {
  centre: Float64Array;
  /** d x rank, T T' the inverse of the scatter matrix; without it every row counts as its weight says. */
  transform?: Float64Array;
}

/** What is nearer to the centre than this, beside a typical row, squared, counts as if it lay there. */
const nearest = 1 / 64;

/**
 * Sum of f_i s_i x_i x_i' of rows x_i = a_i - centre, f_i = (|x_i T|^2 / rank)^(p/2 - 1), or 1; the moments: sum of f_i s_i x_i (cols
 * numbers), of f_i s_i, of s_i |a_i|^2, and how many rows are zero, which count for nothing; and the profile.
 */
export const scatter = operation({
  reads: ["weights"],
  reduce: { gram: "sum", moments: "sum", ...profileReductions },
  work: (cols, { wide }, { transform }) => (wide ? 2 : 1) * (cols * cols + 2 * (transform?.length ?? 0)),
  prepare(job: Job, params: ScatterParams, { centre, transform }: ScatterShared) {
    const { frame, cols } = job;
    const { p, unit, wide, triangular, rank } = params;
    const { kernel } = frame;
    const form = formOf(job, wide);
    const centred = centredRows(job, centre, unit);
    const gram = gramSums(job, form);
    const profileBlock = profiler(job);
    const squares = transform && squaredProducts(job, form, transform, triangular);
    const [q, rowScale, moments] = [blockRows, blockRows, cols + 3].map((count) => frame.f64(count));
    return {
      run(block: Block<"weights">) {
        const { rows, state } = block;
        const x = centred.run(block);
        squares?.(q, centred.pointer, rows);
        const [size, scale] = [q, rowScale].map((at) => kernel.f64(at, rows));
        const weights = state.weights ? kernel.f64(state.weights, rows) : undefined;
        const sums = kernel.f64(moments, cols + 3).fill(0);
        for (let i = 0; i < rows; ++i) {
          const square = centred.squares[i];
          const own = square === 0 ? 0 : weights ? weights[i] : 1;
          const weight = squares ? own * kernel.call.pow(Math.max(size[i] / rank, nearest), p / 2 - 1) : own;
          for (let j = 0, first = i * cols; j < cols; ++j) sums[j] += weight * x[first + j];
          sums[cols] += weight;
          sums[cols + 1] += own * square;
          if (square === 0) ++sums[cols + 2];
          scale[i] = Math.sqrt(weight);
        }
        gram.add(block, rowScale, centred.pointer);
        return { ...profileBlock(block), moments: { pointer: moments, count: cols + 3 } };
      },
      finish: gram.finish,
    };
  },
});

export interface TransformParams {
  windowBits: number;
  unbiased: Flag;
  /** The level that is the first above 0. */
  firstLevel: number;
  p: number;
  unit: number;
}

export interface TransformShared {
  centre: Float64Array;
  /** d x K, and the right factor, K x d, decoded, both for rows times `unit`. */
  basis: Float64Array;
  right: Float64Array;
  /** Bits and columns of each band, the squared length of the right factor's rows without their gain, and the gain. */
  bands: Float64Array;
  /** 2^windowBits values of each. */
  tables: Float64Array;
  levels: Float64Array;
  /** d x d, and K x d: rows, and what they decode to, in the coordinates that errors are measured in besides. */
  metricRoot?: Float64Array;
  metricRight?: Float64Array;
}

/** The codes of a band are handed on under this name. */
export const codesName = (bits: number) => `codes${bits}`;

interface Band {
  bits: number;
  cols: number;
  square: number;
  gain: number;
  /** Its first component. */
  first: number;
  rowBytes: number;
  codes: number;
  sums: number;
  table: number;
  work: number;
}

function bandsOf({ frame }: Job, windowBits: number, { bands, tables }: TransformShared): Band[] {
  const { kernel } = frame;
  const size = 2 ** windowBits;
  let first = 0;
  return Array.from({ length: bands.length / 4 }, (_, b) => {
    const [bits, cols, square, gain] = bands.subarray(4 * b);
    const table = frame.bytes(4 * size);
    kernel.f32(table, size).set(tables.subarray(b * size, (b + 1) * size));
    const rowBytes = (bits * cols) / 8;
    const work = frame.bytes(kernel.call.trellisWorkBytes(cols, bits, windowBits) >>> 0);
    kernel.call.trellisPrepare(work, cols, bits, windowBits, table);
    const band = { bits, cols, square, gain, first, rowBytes, table, work };
    first += cols;
    return { ...band, codes: frame.bytes(blockRows * rowBytes), sums: frame.f64(3 * blockRows) };
  });
}

/** Squared errors of packed rows, in other coordinates. */
function metricErrors(job: Job, form: Form, { metricRoot, metricRight }: TransformShared, inner: number) {
  const { kernel } = job.frame;
  const inCoordinates = product(job, form, metricRoot!, job.cols);
  const residual = residualOf(job, form, metricRight!, inner, { p: 2, unit: 1 });
  const moved = job.frame.f64(blockRows * job.cols);
  const pointer = job.frame.f64(blockRows);
  return (pairs: number, rows: number, left: number) => {
    inCoordinates.run(moved, pairs, rows);
    residual.run(moved, rows, left);
    const sums = kernel.f64(residual.sums, 3 * rows);
    const values = kernel.f64(pointer, rows);
    for (let i = 0; i < rows; ++i) values[i] = sums[3 * i + 1];
    return { pointer, values };
  };
}

/** An unbiased scale enlarges a row by no more than this. */
export const mostEnlarged = 4 / 3;

/**
 * Codes of each band and the number of the scale's level, handed on, with the root mean square of what was to be coded and 3 f64 a row: sums of
 * |r|, r^2, |r|^p of what is left of it, times `unit`; with a metric also errors, the sum of r^2 in its coordinates. Without bands these are of what the coordinates give as they are.
 */
export const transform = operation({
  reduce: (_params, { bands, metricRoot }) => {
    const names = Array.from({ length: bands.length / 4 }, (_, b) => codesName(bands[4 * b]));
    const rest = ["scales", "sizes", "sums", ...(metricRoot ? ["errors"] : [])];
    return Object.fromEntries([...names, ...rest].map((name) => [name, "concat" as const]));
  },
  work: (cols, { windowBits }, { basis, metricRoot }) =>
    2 * basis.length +
    (basis.length / cols) * searchWork(windowBits) +
    (metricRoot ? metricRoot.length + basis.length : 0),
  prepare(job: Job, params: TransformParams, shared: TransformShared) {
    const { frame, cols } = job;
    const { windowBits, unbiased, firstLevel, p, unit } = params;
    const { kernel } = frame;
    const { call } = kernel;
    const { levels, centre, basis, right } = shared;
    const form = formOf(job, 0);
    const type = form ? "f64" : "f32";
    const centred = centredRows(job, centre, unit);
    const { width, run } = product(job, form, basis, cols);
    const pack = packer(job, form, cols);
    const residual = residualOf(job, form, right, width, { p, unit: 1 });
    const errors = shared.metricRoot && metricErrors(job, form, shared, width);
    const bands = bandsOf(job, windowBits, shared);
    const left = frame.f64(blockRows * width);
    const entries = frame.bytes(4 * blockRows * width);
    const rowScales = frame.bytes(4 * blockRows);
    const numbers = frame.bytes(blockRows);
    const rootMeans = frame.f64(blockRows);
    return (block: Block) => {
      const { rows } = block;
      centred.run(block);
      const pairs = pack(centred.pointer, rows);
      run(left, pairs, rows);
      const size = kernel.f64(rootMeans, rows);
      const y = kernel[type](left, rows * width);
      const x = kernel.f32(entries, rows * width);
      const scale = kernel.f32(rowScales, rows);
      const number = kernel.bytes(numbers, rows);
      for (let i = 0; i < rows; ++i) {
        let sum = 0;
        for (let k = i * width; k < (i + 1) * width; ++k) sum += y[k] * y[k];
        size[i] = Math.sqrt(sum / width);
        number[i] = nearestLevel(levels, size[i], firstLevel);
        const inverse = 1 / levels[number[i]];
        for (let k = i * width; k < (i + 1) * width; ++k) x[k] = y[k] * inverse;
      }
      for (const { bits, cols: n, first, codes, sums, table, work } of bands) {
        call.trellisEncode(
          ...([codes, sums, entries + 4 * first, rows, n, width, bits, windowBits, table, work] as const),
        );
      }
      const bandSums = bands.map(({ sums }) => kernel.f64(sums, 3 * rows));
      for (let i = 0; i < rows; ++i) {
        // Of what was to be coded, x, and what it decodes to, g y: <x, g y>, |g y|^2, |x|^2 = |x - y|^2 + 2 <x, y> - |y|^2
        let [along, square, whole] = [0, 0, 0];
        bands.forEach((band, b) => {
          const [off, product, own] = bandSums[b].subarray(3 * i);
          along += band.square * band.gain * product;
          square += band.square * band.gain * band.gain * own;
          whole += band.square * (off + 2 * product - own);
        });
        const fit = along / square;
        const enlarged = whole / along;
        const best = !(fit > 0) ? 0 : unbiased ? Math.min(enlarged, mostEnlarged * fit) : fit;
        number[i] = centred.squares[i] === 0 ? 0 : nearestLevel(levels, best * levels[number[i]], firstLevel);
        scale[i] = levels[number[i]];
      }
      for (const { bits, cols: n, first, codes, table } of bands) {
        call.trellisDecode(entries, codes, rows, n, bits, windowBits, table, rowScales);
        for (let i = 0; i < rows; ++i) y.set(x.subarray(i * n, (i + 1) * n), i * width + first);
      }
      residual.run(centred.pointer, rows, left);
      const squares = errors?.(pairs, rows, left);
      const sums = kernel.f64(residual.sums, 3 * rows);
      for (let i = 0; i < rows; ++i) {
        if (centred.squares[i] !== 0) continue;
        sums.fill(0, 3 * i, 3 * i + 3);
        if (squares) squares.values[i] = 0;
      }
      const codes = bands.map((band) => [
        codesName(band.bits),
        { pointer: band.codes, count: rows * band.rowBytes, type: "bytes" as const },
      ]);
      return {
        ...Object.fromEntries(codes),
        scales: { pointer: numbers, count: rows, type: "bytes" },
        sizes: { pointer: rootMeans, count: rows },
        sums: { pointer: residual.sums, count: 3 * rows },
        ...(squares && { errors: { pointer: squares.pointer, count: rows } }),
      };
    };
  },
});
