// A vertex of the polytope {y : |B y|_p <= 1}, p = 1 or Infinity, with the rows of B that make it (climb-vertices.ts).
//
// Basis    K, r x r: rows of B, and where fewer are known free rows of any kind; p = 1: at last a row that fixes the scale
// Edges    the columns of K^-1: along the k-th row k alone changes. Kept by rank-one updates, made anew now and then
import { scale } from "./space.js";
import { dot } from "../basis/small-dense.js";

/** A row of the basis that is no row of B yet. */
export const free = -1;
/** p = 1: the last row of the basis fixes the scale of y. */
export const fixed = -2;

export class Vertex {
  /** r, |B y|_p = 1 after a sweep. */
  y: Float64Array;
  /** Row of B that each basis row is. */
  readonly rows: Int32Array;
  /** Columns of K^-1, one after the other. */
  readonly edges: Float64Array;
  /** Rows whose edges led nowhere since the last move. */
  blocked: Uint8Array;
  steps = 0;
  private age = 0;

  constructor(
    y: Float64Array,
    readonly p: number,
    state?: { rows: Int32Array; edges: Float64Array },
  ) {
    const r = y.length;
    this.y = y.slice();
    this.blocked = new Uint8Array(r);
    this.rows = state?.rows.slice() ?? new Int32Array(r).fill(free);
    this.edges = state?.edges.slice() ?? reflection(y, p);
    if (!state && p === 1) this.rows[r - 1] = fixed;
  }

  clone(): Vertex {
    return new Vertex(this.y, this.p, this);
  }

  /** Row k of the basis becomes b. */
  replace(k: number, b: Float64Array, row: number): void {
    const { edges, rows, y } = this;
    const r = y.length;
    const at = k * r;
    const inner = dot(b, 0, edges, at, r);
    for (let i = 0; i < r; ++i) edges[at + i] /= inner;
    for (let j = 0; j < r; ++j) {
      if (j === k) continue;
      const along = dot(b, 0, edges, j * r, r);
      for (let i = 0; i < r; ++i) edges[j * r + i] -= along * edges[at + i];
    }
    rows[k] = row;
    ++this.age;
  }

  /** Free rows of the basis become these, as far as they are independent: p = 1. */
  adopt(white: Float64Array[], indices: number[]): void {
    const { rows, edges, y } = this;
    const r = y.length;
    white.forEach((b, j) => {
      const k = this.placeOf(b);
      if (k === free) return;
      if (Math.abs(dot(b, 0, edges, k * r, r)) > 1e-6 * Math.sqrt(dot(b, 0, b, 0, r))) this.replace(k, b, indices[j]);
    });
    if (rows.includes(free)) return;
    this.settle();
  }

  /** The free row that b enters best. */
  placeOf(b: Float64Array): number {
    const { rows, edges } = this;
    const r = b.length;
    let place = free;
    let size = 0;
    for (let k = 0; k < r; ++k) {
      const pivot = rows[k] === free ? Math.abs(dot(b, 0, edges, k * r, r)) : 0;
      if (pivot > size) [place, size] = [k, pivot];
    }
    return place;
  }

  /** Where the basis says the vertex is, once it is complete. */
  settle(): void {
    const { rows, edges, y, p } = this;
    const r = y.length;
    if (rows.includes(free)) return;
    if (p === 1) y.set(edges.subarray((r - 1) * r));
    else {
      y.fill(0);
      for (let k = 0; k < r; ++k) for (let i = 0; i < r; ++i) y[i] += edges[k * r + i];
    }
  }

  /** Rounding errors of the updates grow: the inverse anew from the rows, now and then. */
  get stale(): boolean {
    return this.age >= refreshAfter && !this.rows.includes(free);
  }

  /** @param white the basis' rows of B, in order; p = 1: all but the last. */
  refresh(white: Float64Array[]): void {
    const { rows, edges, y, p } = this;
    const r = y.length;
    edges.set(reflection(y, p));
    const used = new Uint8Array(r);
    const old = rows.slice();
    for (let k = 0; k < r; ++k) if (rows[k] !== fixed) rows[k] = free;
    this.blocked.fill(0);
    // Each row takes the place where its pivot is largest.
    old
      .filter((row) => row !== fixed)
      .forEach((row, j) => {
        let best = -1;
        let size = 0;
        for (let k = 0; k < (p === 1 ? r - 1 : r); ++k) {
          const pivot = used[k] ? 0 : Math.abs(dot(white[j], 0, edges, k * r, r));
          if (pivot > size) [best, size] = [k, pivot];
        }
        if (best < 0) return;
        used[best] = 1;
        const b = p !== 1 && dot(white[j], 0, y, 0, r) < 0 ? white[j].map((x) => -x) : white[j];
        this.replace(best, b, row);
      });
    this.age = 0;
  }
}

const refreshAfter = 60;

/** Orthonormal basis to start from; for p = 1 its last row is y's direction. Symmetric, so its own inverse. */
function reflection(y: Float64Array, p: number): Float64Array {
  const r = y.length;
  const Q = new Float64Array(r * r);
  for (let i = 0; i < r; ++i) Q[i * r + i] = 1;
  if (p !== 1) return Q;
  const w = y.slice();
  scale(w, 1 / Math.sqrt(dot(y, 0, y, 0, r)));
  const sign = w[r - 1] > 0 ? -1 : 1;
  scale(w, sign);
  w[r - 1] -= 1;
  const size = dot(w, 0, w, 0, r);
  for (let i = 0; i < r; ++i) for (let j = 0; j < r; ++j) Q[i * r + j] -= (2 * w[i] * w[j]) / size;
  return Q;
}
