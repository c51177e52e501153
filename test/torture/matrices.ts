// Matrices that break numerical code, and row weights that do. Small, so that every primitive can be run on all of them.
import { encodeNumbers } from "../../src/half.js";
import { widenRows, type Matrix, type MatrixLike, type RowType } from "../../src/matrix.js";
import { bell, uniform } from "../library/matrices.js";

type Entry = (i: number, j: number) => number;

const make = (rows: number, cols: number, entry: Entry): Matrix<Float64Array> => ({
  data: Float64Array.from({ length: rows * cols }, (_, at) => entry(Math.floor(at / cols), at % cols)),
  rows,
  cols,
});

/** 10^(-reach) to 10^reach, evenly in the exponent, of either sign. */
const anySize =
  (seed: number, reach: number): Entry =>
  (i, j) =>
    (uniform(seed, 64 * i + j) < 0.5 ? -1 : 1) * 10 ** (reach * (2 * uniform(seed + 1, 64 * i + j) - 1));

const plain: Entry = (i, j) => bell(7, 64 * i + j);
const times =
  (factor: number, entry: Entry = plain): Entry =>
  (i, j) =>
    factor * entry(i, j);

/** Kahan's R_n(theta): upper triangular, smallest singular value far below the smallest diagonal entry. */
function kahan(n: number): Matrix<Float64Array> {
  const [s, c] = [0.9, Math.sqrt(1 - 0.81)];
  return make(n, n, (i, j) => s ** i * (i === j ? 1 : i < j ? -c : 0));
}

/** Sylvester's: orthogonal columns of equal norm, so that all eigenvalues are one. */
const hadamard: Entry = (i, j) => {
  let bits = i & j;
  let sign = 1;
  for (; bits; bits &= bits - 1) sign = -sign;
  return sign;
};

export const tortures: Record<string, () => Matrix<Float64Array>> = {
  plain: () => make(24, 5, plain),
  zero: () => make(9, 3, () => 0),
  "signed zeros": () => make(9, 3, (i, j) => ((i + j) & 1 ? 0 : -0)),
  "one entry": () => make(9, 3, (i, j) => (i === 4 && j === 1 ? -3 : 0)),
  "all equal": () => make(20, 4, () => 0.1),
  "all equal, huge": () => make(20, 4, () => 3e38),
  "all equal, denormal f32": () => make(20, 4, () => 1e-40),
  "1 x 1": () => make(1, 1, () => -7),
  "1 x 1, the largest f32": () => make(1, 1, () => 3.4028234663852886e38),
  "1 x 1, the smallest f32": () => make(1, 1, () => 2 ** -149),
  "1 x 6": () => make(1, 6, plain),
  "17 x 1": () => make(17, 1, plain),
  "n = d": () => make(6, 6, plain),
  "n < d": () => make(4, 7, plain),
  identity: () => make(6, 6, (i, j) => Number(i === j)),
  "rank 1": () => make(30, 4, (i, j) => bell(3, i) * (j + 1)),
  "rank 1 and a trace of more": () => make(30, 4, (i, j) => bell(3, i) * (j + 1) + 1e-9 * plain(i, j)),
  "rank 2": () => make(30, 5, (i, j) => bell(3, 2 * i) * bell(4, 2 * j) + bell(3, 2 * i + 1) * bell(4, 2 * j + 1)),
  "one column huge": () => make(30, 4, (i, j) => plain(i, j) * (j === 2 ? 1e30 : 1)),
  "one column tiny": () => make(30, 4, (i, j) => plain(i, j) * (j === 2 ? 1e-30 : 1)),
  "one row huge": () => make(30, 4, (i, j) => plain(i, j) * (i === 11 ? 1e30 : 1)),
  "one row huge, f64 keeps it": () => make(30, 4, (i, j) => plain(i, j) * (i === 11 ? 1e7 : 1)),
  "one row the only one of its kind": () =>
    make(30, 4, (i, j) => (i === 11 ? Number(j === 3) : j === 3 ? 0 : plain(i, j))),
  "one row tiny, the only one of its kind": () =>
    make(30, 4, (i, j) => (i === 11 ? 1e-20 * Number(j === 3) : j === 3 ? 0 : plain(i, j))),
  Hilbert: () => make(12, 12, (i, j) => 1 / (i + j + 1)),
  "tall Hilbert": () => make(40, 8, (i, j) => 1 / (i + j + 1)),
  Kahan: () => kahan(16),
  Hadamard: () => make(32, 8, hadamard),
  "Hadamard, one column twice": () => make(32, 8, (i, j) => hadamard(i, j === 7 ? 6 : j)),
  blocks: () => make(24, 6, (i, j) => (Math.floor(i / 8) === Math.floor(j / 2) ? 1 + Number((i + j) % 2) : 0)),
  "blocks of far scales": () =>
    make(24, 6, (i, j) =>
      Math.floor(i / 8) === Math.floor(j / 2) ? plain(i, j) * 1e12 ** (Math.floor(j / 2) - 1) : 0,
    ),
  "duplicate rows": () => make(40, 4, (i, j) => plain(i % 5, j)),
  "300 rows, three of them different": () => make(300, 3, (i, j) => plain(i % 3, j)),
  "zero rows and zero columns": () => make(30, 5, (i, j) => (i % 3 === 1 || j === 2 ? 0 : plain(i, j))),
  "1e-38 to 1e38": () => make(30, 4, anySize(11, 38)),
  "1e-12 to 1e12": () => make(30, 4, anySize(12, 12)),
  "rows from 1e-36 to 1e36": () => make(30, 4, (i, j) => 10 ** (72 * uniform(21, i) - 36) * plain(i, j)),
  "columns from 1e-36 to 1e36": () => make(30, 4, (i, j) => 10 ** (24 * j - 36) * plain(i, j)),
  "all near 1e38": () => make(24, 5, times(3e37)),
  "all near 1e-38": () => make(24, 5, times(1e-38)),
  "all denormal f32": () => make(24, 5, times(1e-43)),
  "a column of denormal f32": () => make(30, 4, (i, j) => plain(i, j) * (j === 1 ? 1e-42 : 1)),
  "a row of denormal f32 beside 1e37": () => make(30, 4, (i, j) => plain(i, j) * (i === 5 ? 1e-43 : 1e37)),
  "a row of denormal f32": () => make(30, 4, (i, j) => plain(i, j) * (i === 5 ? 1e-42 : 1)),
};

/** Beyond f32. */
export const wideTortures: Record<string, () => Matrix<Float64Array>> = {
  "1e-300 to 1e300": () => make(30, 4, anySize(13, 300)),
  "all near 1e300": () => make(24, 5, times(1e300)),
  "all near 1e-300": () => make(24, 5, times(1e-300)),
  "all near 1e160": () => make(24, 5, times(1e160)),
  "all near 1e-160": () => make(24, 5, times(1e-160)),
  "all equal, the largest f64": () => make(20, 4, () => Number.MAX_VALUE),
  "all equal, the smallest f64": () => make(20, 4, () => Number.MIN_VALUE),
  "all denormal f64": () => make(24, 5, times(1e-315)),
  "one column 1e200": () => make(30, 4, (i, j) => plain(i, j) * (j === 2 ? 1e200 : 1)),
  "one row 1e200": () => make(30, 4, (i, j) => plain(i, j) * (i === 11 ? 1e200 : 1)),
  "a column of denormal f64": () => make(30, 4, (i, j) => plain(i, j) * (j === 1 ? 1e-312 : 1)),
  "columns from 1e-300 to 1e300": () => make(30, 4, (i, j) => 10 ** (200 * j - 300) * plain(i, j)),
};

/** Row weights, by row. */
export const weightings: Record<string, ((i: number, n: number) => number) | undefined> = {
  none: undefined,
  "1e-300": () => 1e-300,
  "1e300": () => 1e300,
  "1e-12 to 1e12": (i) => 10 ** (24 * uniform(31, i) - 12),
  "1e-250 to 1": (i) => 10 ** (-250 * uniform(33, i)),
  "some 0": (i) => Number(i % 3 !== 1),
  "all 0": () => 0,
  "all 0 but one": (i, n) => Number(i === n >> 1),
  "1e-300 to 1e300": (i) => 10 ** (600 * uniform(32, i) - 300),
};

/** A torture as a row source of some type: what the library is given, and the same numbers, exactly, in f64. */
export interface Given {
  a: MatrixLike;
  exact: Matrix<Float64Array>;
  dtype: RowType;
}

/** Nothing where the type has no such numbers: entries would be infinite, or all of them 0. */
export async function given(make: () => Matrix<Float64Array>, dtype: RowType): Promise<Given | undefined> {
  const { data, rows, cols } = make();
  const bytes = encodeNumbers(data, dtype);
  const rowBytes = bytes.length / rows;
  const source = {
    ...{ rows, cols, dtype, name: "T" },
    read: (start: number, count: number) => bytes.subarray(start * rowBytes, (start + count) * rowBytes),
  };
  const exact = { data: new Float64Array(rows * cols), rows, cols };
  await widenRows(source, 0, rows, exact.data);
  if (!exact.data.every(Number.isFinite)) return undefined;
  if (data.some((x) => x !== 0) && exact.data.every((x) => x === 0)) return undefined;
  const a = dtype === "f64" ? exact : dtype === "f32" ? { ...exact, data: Float32Array.from(exact.data) } : source;
  return { a, exact, dtype };
}
