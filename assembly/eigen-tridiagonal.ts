// Householder reduction of a symmetric matrix to tridiagonal form, A = Q T Q'.
//
// Martin, Reinsch, Wilkinson, Householder's tridiagonalization of a symmetric matrix, Numer. Math. 11 (1968): the last row
// first, so that reflectors are rows. The rank-2 update of one step is fused with the product of the next: each step reads
// and writes what is left of the matrix once.
//
// Layout   A    n x n f64, row-major, lower triangle; row i becomes reflector u_i (i entries, the last one 1), H_i =
//               I - tau_i u_i u_i', and Q = H_n-1 ... H_2
//          d    n f64, diagonal of T      e    n f64, e[i] between d[i] and d[i + 1]; the last one 0
// Memory   the caller owns all of it
// Cost     4 n^3 / 3 flops
import { addRow } from "./row-tile";
import { dot } from "./lanes";

/** Where squares would lose digits to underflow, a row is measured 2^500 times larger. */
const TINY: f64 = reinterpret<f64>(<u64>(1023 - 400) << 52);
const UP: f64 = reinterpret<f64>(<u64>(1023 + 500) << 52);
const DOWN: f64 = reinterpret<f64>(<u64>(1023 - 500) << 52);

// @ts-ignore: decorator
@inline function rowOf(A: usize, n: u32, i: u32): usize {
  return A + ((<usize>i * n) << 3);
}

/** T in d and e, reflectors in A and tau. `vectors`: three n-vectors, `vectorBytes` apart. Entries of A are at most 4. */
export function tridiagonalise(A: usize, n: u32, d: usize, e: usize, tau: usize, vectors: usize, vectorBytes: usize): void {
  let w = vectors;
  let y = vectors + vectorBytes;
  // Before the first step there is nothing to subtract: zeros stand in for both vectors.
  let u = y + vectorBytes;
  memory.fill(w, 0, vectorBytes);
  memory.fill(u, 0, vectorBytes);
  let pending = false;
  store<f64>(e + (<usize>(n - 1) << 3), 0);
  for (let i = n - 1; i > 0; --i) {
    const row = rowOf(A, n, i);
    const last = <usize>i << 3;
    addRow(row, -load<f64>(u + last), w, i + 1);
    addRow(row, -load<f64>(w + last), u, i + 1);
    store<f64>(d + last, load<f64>(row + last));
    const t = reflector(row, i, e + (<usize>(i - 1) << 3));
    store<f64>(tau + last, t);
    // Nothing to subtract and nothing to reflect: a diagonal matrix costs n^2.
    if (pending || t != 0) {
      updateAndMultiply(A, n, i, u, w, row, y);
      const half = 0.5 * t * t * dot(y, row, i);
      for (let j: usize = 0; j < last; j += 8) store<f64>(y + j, t * load<f64>(y + j) - half * load<f64>(row + j));
    } else memory.fill(y, 0, last);
    pending = t != 0;
    const spare = w;
    w = y;
    y = spare;
    u = row;
  }
  const corner = load<f64>(A);
  store<f64>(d, corner - 2 * load<f64>(u) * load<f64>(w));
  store<f64>(tau, 0);
}

/** Makes x (count entries) the u, u[count - 1] = 1, of the reflector that leaves `beta` as x's last entry alone; its tau. */
function reflector(x: usize, count: u32, beta: usize): f64 {
  const last = x + (<usize>(count - 1) << 3);
  let peak: f64 = 0;
  for (let at = x; at < last; at += 8) peak = max<f64>(peak, abs<f64>(load<f64>(at)));
  let alpha = load<f64>(last);
  const small = max<f64>(peak, abs<f64>(alpha)) < TINY;
  if (small) {
    for (let at = x; at < last; at += 8) store<f64>(at, load<f64>(at) * UP);
    alpha *= UP;
  }
  const sigma = dot(x, x, count - 1);
  store<f64>(last, 1);
  if (sigma == 0) {
    store<f64>(beta, small ? alpha * DOWN : alpha);
    memory.fill(x, 0, last - x);
    return 0;
  }
  const r = sqrt<f64>(alpha * alpha + sigma);
  const b = alpha > 0 ? -r : r;
  const scale = 1 / (alpha - b);
  for (let at = x; at < last; at += 8) store<f64>(at, load<f64>(at) * scale);
  store<f64>(beta, small ? b * DOWN : b);
  return (b - alpha) / b;
}

/**
 * A <- A - u w' - w u' on the leading i x i triangle, and y = A v with what comes out. Two rows at a time: y_r is first
 * written when row r comes, and added to by the rows below.
 */
function updateAndMultiply(A: usize, n: u32, i: u32, u: usize, w: usize, v: usize, y: usize): void {
  let r: u32 = 0;
  for (; r + 1 < i; r += 2) {
    const a0 = rowOf(A, n, r);
    const at = <usize>r << 3;
    updateTwo(a0, a0 + (<usize>n << 3), r, u, w, v, y, at);
  }
  if (r < i) {
    const at = <usize>r << 3;
    const row = rowOf(A, n, r);
    addRow(row, -load<f64>(u + at), w, r + 1);
    addRow(row, -load<f64>(w + at), u, r + 1);
    store<f64>(y + at, dot(row, v, r + 1));
    addRow(y, load<f64>(v + at), row, r);
  }
}

/** Rows r and r + 1, r even and `at` its byte offset. */
function updateTwo(a0: usize, a1: usize, r: u32, u: usize, w: usize, v: usize, y: usize, at: usize): void {
  const u0 = load<f64>(u + at), u1 = load<f64>(u + at, 8);
  const w0 = load<f64>(w + at), w1 = load<f64>(w + at, 8);
  const v0 = load<f64>(v + at), v1 = load<f64>(v + at, 8);
  const us0 = f64x2.splat(u0), us1 = f64x2.splat(u1), ws0 = f64x2.splat(w0), ws1 = f64x2.splat(w1);
  const vs0 = f64x2.splat(v0), vs1 = f64x2.splat(v1);
  const d0 = a0 + at, d1 = a1 + at, dy = y + at;
  let s0 = f64x2.splat(0), s1 = s0;
  const uAt = u + at, wAt = w + at;
  while (a0 < d0) {
    const wj = v128.load(w), uj = v128.load(u), vj = v128.load(v);
    const x0 = f64x2.sub(v128.load(a0), f64x2.add(f64x2.mul(us0, wj), f64x2.mul(ws0, uj)));
    const x1 = f64x2.sub(v128.load(a1), f64x2.add(f64x2.mul(us1, wj), f64x2.mul(ws1, uj)));
    v128.store(a0, x0);
    v128.store(a1, x1);
    s0 = f64x2.add(s0, f64x2.mul(x0, vj));
    s1 = f64x2.add(s1, f64x2.mul(x1, vj));
    v128.store(y, f64x2.add(v128.load(y), f64x2.add(f64x2.mul(x0, vs0), f64x2.mul(x1, vs1))));
    a0 += 16;
    a1 += 16;
    w += 16;
    u += 16;
    v += 16;
    y += 16;
  }
  const x00 = load<f64>(d0) - 2 * u0 * w0;
  const x10 = load<f64>(d1) - (u1 * w0 + w1 * u0);
  const x11 = load<f64>(d1, 8) - 2 * u1 * w1;
  store<f64>(d0, x00);
  store<f64>(d1, x10);
  store<f64>(d1, x11, 8);
  store<f64>(dy, f64x2.extract_lane(s0, 0) + f64x2.extract_lane(s0, 1) + x00 * v0 + x10 * v1);
  store<f64>(dy, f64x2.extract_lane(s1, 0) + f64x2.extract_lane(s1, 1) + x10 * v0 + x11 * v1, 8);
}
