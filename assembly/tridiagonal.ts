// Householder reduction of a symmetric matrix to tridiagonal form, and the way back for its eigenvectors.
//
// Martin, Reinsch, Wilkinson, Householder's tridiagonalization of a symmetric matrix (1968), from the last row up, so that
// all runs along rows. The rank-2 update of one step is done in the same pass over the matrix as the product A v of the
// next (as in LAPACK's dlatrd, Dongarra, Sorensen, Hammarling 1989, with a block of one): A is read once a step.
//
// Layout   A     n x n f64, row-major; the lower triangle is read. On return row i holds v_i in columns 0 ... i - 1,
//                A = H_{n-1} ... H_1 T H_1 ... H_{n-1}, H_i = I - v_i v_i' / h_i (H_i = I when h_i = 0)
//          d, e  n f64 each, written: diagonal of T, and below it e[i] = T[i + 1][i]; e[n - 1] = 0
//          h     n f64, written
//          work  4 n f64
// Memory   the caller owns all of it
// Cost     4 n^3 / 3 multiply-adds; the way back n^2 for each vector
import { at, dot, sumLanes } from "./lanes";

/** Entries below this, in a matrix whose largest is near 1, are zero to every purpose; their squares would vanish. */
const NEGLIGIBLE: f64 = 1e-140;

/** y -= a u + b v, n of them. */
function subtractTwo(y: usize, a: f64, u: usize, b: f64, v: usize, n: u32): void {
  for (let i: u32 = 0; i < n; ++i) store<f64>(at(y, i), load<f64>(at(y, i)) - a * load<f64>(at(u, i)) - b * load<f64>(at(v, i)));
}

/** One entry of the pass below: the updated a[j][c], with its share of y[c] added. */
// @ts-ignore: decorator
@inline function updateOne(a: usize, c: u32, vj: f64, wj: f64, xj: f64, v: usize, w: usize, y: usize): f64 {
  const t = load<f64>(at(a, c)) - vj * load<f64>(at(w, c)) - wj * load<f64>(at(v, c));
  store<f64>(at(a, c), t);
  store<f64>(at(y, c), load<f64>(at(y, c)) + t * xj);
  return t;
}

/** The leading m x m matrix: A -= v w' + w v', and y = A x with what results. Two rows at a time share the loads. */
function updateAndMultiply(A: usize, n: u32, m: u32, v: usize, w: usize, x: usize, y: usize): void {
  memory.fill(y, 0, <usize>m << 3);
  let j: u32 = 0;
  for (; j + 2 <= m; j += 2) {
    const a0 = A + ((<usize>j * n) << 3), a1 = a0 + (<usize>n << 3);
    const v0 = load<f64>(at(v, j)), w0 = load<f64>(at(w, j)), x0 = load<f64>(at(x, j));
    const v1 = load<f64>(at(v, j + 1)), w1 = load<f64>(at(w, j + 1)), x1 = load<f64>(at(x, j + 1));
    const vv0 = f64x2.splat(v0), ww0 = f64x2.splat(w0), xx0 = f64x2.splat(x0);
    const vv1 = f64x2.splat(v1), ww1 = f64x2.splat(w1), xx1 = f64x2.splat(x1);
    let s0 = f64x2.splat(0), s1 = s0;
    for (let c: u32 = 0; c < j; c += 2) {
      const wc = v128.load(at(w, c)), vc = v128.load(at(v, c)), xc = v128.load(at(x, c));
      const t0 = f64x2.sub(f64x2.sub(v128.load(at(a0, c)), f64x2.mul(vv0, wc)), f64x2.mul(ww0, vc));
      const t1 = f64x2.sub(f64x2.sub(v128.load(at(a1, c)), f64x2.mul(vv1, wc)), f64x2.mul(ww1, vc));
      v128.store(at(a0, c), t0);
      v128.store(at(a1, c), t1);
      s0 = f64x2.add(s0, f64x2.mul(t0, xc));
      s1 = f64x2.add(s1, f64x2.mul(t1, xc));
      v128.store(at(y, c), f64x2.add(f64x2.add(v128.load(at(y, c)), f64x2.mul(t0, xx0)), f64x2.mul(t1, xx1)));
    }
    // The 2 x 2 corner on the diagonal.
    const d0 = load<f64>(at(a0, j)) - 2 * v0 * w0;
    store<f64>(at(a0, j), d0);
    const o = load<f64>(at(a1, j)) - v1 * w0 - w1 * v0;
    store<f64>(at(a1, j), o);
    const d1 = load<f64>(at(a1, j + 1)) - 2 * v1 * w1;
    store<f64>(at(a1, j + 1), d1);
    store<f64>(at(y, j), sumLanes(s0) + d0 * x0 + o * x1);
    store<f64>(at(y, j + 1), sumLanes(s1) + o * x0 + d1 * x1);
  }
  if (j < m) {
    const a = A + ((<usize>j * n) << 3);
    const vj = load<f64>(at(v, j)), wj = load<f64>(at(w, j)), xj = load<f64>(at(x, j));
    let s: f64 = 0;
    for (let c: u32 = 0; c < j; ++c) s += updateOne(a, c, vj, wj, xj, v, w, y) * load<f64>(at(x, c));
    const d = load<f64>(at(a, j)) - 2 * vj * wj;
    store<f64>(at(a, j), d);
    store<f64>(at(y, j), s + d * xj);
  }
}

export function tridiagonalize(A: usize, n: u32, d: usize, e: usize, h: usize, work: usize): void {
  let v = work, w = at(work, n);
  const y = at(w, n), zero = at(y, n);
  memory.fill(work, 0, (<usize>n * 4) << 3);
  store<f64>(at(e, n - 1), 0);
  store<f64>(h, 0);
  for (let i = <i32>n - 1; i >= 0; --i) {
    const row = A + ((<usize>i * n) << 3);
    // What the step before left to be done to this row, diagonal included.
    subtractTwo(row, load<f64>(at(v, i)), w, load<f64>(at(w, i)), v, <u32>i + 1);
    store<f64>(at(d, i), load<f64>(at(row, i)));
    if (i == 0) return;
    const last = load<f64>(at(row, i - 1));
    const rest = dot(row, row, <u32>i - 1);
    let size: f64 = 0;
    if (sqrt<f64>(rest) > NEGLIGIBLE || rest != rest) {
      const norm = sqrt<f64>(rest + last * last);
      const alpha = last > 0 ? -norm : norm;
      size = rest + last * last - last * alpha;
      store<f64>(at(row, i - 1), last - alpha);
      store<f64>(at(e, i - 1), alpha);
    } else {
      memory.fill(row, 0, <usize>i << 3);
      store<f64>(at(e, i - 1), last);
    }
    store<f64>(at(h, i), size);
    updateAndMultiply(A, n, <u32>i, v, w, row, y);
    if (size == 0) {
      memory.fill(w, 0, <usize>i << 3);
      v = zero;
      continue;
    }
    const k = dot(row, y, <u32>i) / (2 * size * size);
    for (let c: u32 = 0; c < <u32>i; ++c) store<f64>(at(w, c), load<f64>(at(y, c)) / size - k * load<f64>(at(row, c)));
    v = row;
  }
}

/** Z (count x n, one vector of T a row) becomes eigenvectors of A: H_{n-1} ... H_1 applied, four vectors at a time. */
export function transformBack(Z: usize, count: u32, A: usize, n: u32, h: usize): void {
  const ld = <usize>n << 3;
  let t: u32 = 0;
  for (; t + 4 <= count; t += 4) {
    const z0 = Z + <usize>t * ld, z1 = z0 + ld, z2 = z1 + ld, z3 = z2 + ld;
    for (let i: u32 = 1; i < n; ++i) {
      const size = load<f64>(at(h, i));
      if (size == 0) continue;
      const v = A + <usize>i * ld;
      let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0;
      let c: u32 = 0;
      for (; c + 2 <= i; c += 2) {
        const x = v128.load(at(v, c));
        s0 = f64x2.add(s0, f64x2.mul(x, v128.load(at(z0, c))));
        s1 = f64x2.add(s1, f64x2.mul(x, v128.load(at(z1, c))));
        s2 = f64x2.add(s2, f64x2.mul(x, v128.load(at(z2, c))));
        s3 = f64x2.add(s3, f64x2.mul(x, v128.load(at(z3, c))));
      }
      let a0 = sumLanes(s0), a1 = sumLanes(s1), a2 = sumLanes(s2), a3 = sumLanes(s3);
      const odd = c < i;
      const x = odd ? load<f64>(at(v, c)) : 0;
      if (odd) {
        a0 += x * load<f64>(at(z0, c));
        a1 += x * load<f64>(at(z1, c));
        a2 += x * load<f64>(at(z2, c));
        a3 += x * load<f64>(at(z3, c));
      }
      a0 /= size;
      a1 /= size;
      a2 /= size;
      a3 /= size;
      const b0 = f64x2.splat(a0), b1 = f64x2.splat(a1), b2 = f64x2.splat(a2), b3 = f64x2.splat(a3);
      for (c = 0; c + 2 <= i; c += 2) {
        const y = v128.load(at(v, c));
        v128.store(at(z0, c), f64x2.sub(v128.load(at(z0, c)), f64x2.mul(b0, y)));
        v128.store(at(z1, c), f64x2.sub(v128.load(at(z1, c)), f64x2.mul(b1, y)));
        v128.store(at(z2, c), f64x2.sub(v128.load(at(z2, c)), f64x2.mul(b2, y)));
        v128.store(at(z3, c), f64x2.sub(v128.load(at(z3, c)), f64x2.mul(b3, y)));
      }
      if (odd) {
        store<f64>(at(z0, c), load<f64>(at(z0, c)) - a0 * x);
        store<f64>(at(z1, c), load<f64>(at(z1, c)) - a1 * x);
        store<f64>(at(z2, c), load<f64>(at(z2, c)) - a2 * x);
        store<f64>(at(z3, c), load<f64>(at(z3, c)) - a3 * x);
      }
    }
  }
  for (; t < count; ++t) {
    const z = Z + <usize>t * ld;
    for (let i: u32 = 1; i < n; ++i) {
      const size = load<f64>(at(h, i));
      if (size == 0) continue;
      const v = A + <usize>i * ld;
      const a = dot(v, z, i) / size;
      for (let c: u32 = 0; c < i; ++c) store<f64>(at(z, c), load<f64>(at(z, c)) - a * load<f64>(at(v, c)));
    }
  }
}
