// Loewner ellipsoid of L = {x : |Ax|_p <= 1} by its definition, for few rows: enough points of L's boundary that no other can
// matter, and the smallest ellipsoid that holds them (min-volume.ts).
//
// p = 1         a vertex lies where d - 1 independent rows have a x = 0
// p = Infinity  a vertex lies where d independent rows have a x = +-1 and no other is beyond
// else          d = 2: points all around, a quarter of a degree apart
//
// Shapes   A n x d of rank d, d of 2 or 3; with row weights s, |Ax|_p^p counts row i s_i times
// Cost     binomial(n, d) vertices, each n d
import { type Dense, fill } from "./matrix.js";
import { minVolumeEllipsoid } from "./min-volume.js";
import { type RowWeights, weightOf } from "./objective.js";

export function levelSetNorm(a: Dense, x: ArrayLike<number>, p: number, s?: RowWeights): number {
  let sum = 0;
  for (let i = 0; i < a.rows; ++i) {
    let v = 0;
    for (let j = 0; j < a.cols; ++j) v += a.data[i * a.cols + j] * x[j];
    if (p === Infinity) sum = weightOf(s, i) > 0 ? Math.max(sum, Math.abs(v)) : sum;
    else sum += weightOf(s, i) * Math.abs(v) ** p;
  }
  return p === Infinity ? sum : sum ** (1 / p);
}

/** The x with the given products, by Cramer's rule. */
function solve(rows: number[][], sides: number[]): number[] | undefined {
  const det = (m: number[][]): number =>
    m.length === 1
      ? m[0][0]
      : m[0].reduce(
          (sum, x, j) => sum + (j % 2 ? -x : x) * det(m.slice(1).map((row) => row.filter((_, k) => k !== j))),
          0,
        );
  const all = det(rows);
  if (Math.abs(all) < 1e-12) return undefined;
  return rows.map((_, j) => det(rows.map((row, i) => row.map((x, k) => (k === j ? sides[i] : x)))) / all);
}

function* subsets(n: number, k: number, from = 0): Generator<number[]> {
  if (k === 0) yield [];
  else for (let i = from; i < n; ++i) for (const rest of subsets(n, k - 1, i + 1)) yield [i, ...rest];
}

/** Points of L's boundary that hold its Loewner ellipsoid. */
export function boundaryPoints(a: Dense, p: number, s?: RowWeights): Dense {
  const { cols: d } = a;
  const row = (i: number) => Array.from(a.data.subarray(i * d, (i + 1) * d));
  const found: number[][] = [];
  const onto = (x: number[]) => {
    const norm = levelSetNorm(a, x, p, s);
    if (norm > 0) found.push(x.map((v) => v / norm));
  };
  if (p === 1) {
    for (const set of subsets(a.rows, d - 1)) {
      const rows = set.map(row);
      // Perpendicular to them: d = 1, 2, 3.
      if (d === 1) onto([1]);
      else if (d === 2) onto([-rows[0][1], rows[0][0]]);
      else {
        const [u, v] = rows;
        onto([u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]);
      }
    }
  } else if (p === Infinity) {
    for (const set of subsets(a.rows, d)) {
      for (let signs = 0; signs < 1 << (d - 1); ++signs) {
        const x = solve(
          set.map(row),
          set.map((_, j) => ((signs >> j) & 1 ? -1 : 1)),
        );
        if (x && levelSetNorm(a, x, p, s) <= 1 + 1e-12) found.push(x);
      }
    }
  } else {
    for (let k = 0; k < 720; ++k) onto([Math.cos((Math.PI * k) / 720), Math.sin((Math.PI * k) / 720)]);
  }
  return fill(found.length, d, (i, j) => found[i][j]);
}

export function levelSetEllipsoid(a: Dense, p: number, s?: RowWeights, gap = 1e-4) {
  return minVolumeEllipsoid(boundaryPoints(a, p, s), false, gap);
}
