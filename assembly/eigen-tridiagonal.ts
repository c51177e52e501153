// Householder reduction of a symmetric matrix to tridiagonal form, A = Q T Q'.
//
// Dongarra, Hammarling, Sorensen, Block reduction of matrices to condensed forms for eigenvalue computations, LAPACK Working
// Note 2 (1987); LAPACK dlatrd. The last row first, so that reflectors are rows. Within a block of rows, what is left of the
// matrix is read once a row and not written: what earlier rows of the block take off, sum u w' + w u', is subtracted from the
// products, and from the matrix when the block is done.
//
// Layout   A     n x n f64, row-major, lower triangle; row i becomes reflector u_i (i entries, the last one 1), H_i =
//                I - tau_i u_i u_i', and Q = H_n-1 ... H_2. What lies above the diagonal is overwritten
//          d     n f64, diagonal of T      e    n f64, e[i] between d[i] and d[i + 1]; the last one 0
//          work  `tridiagonalBytes(n)`: u and w of a block, side by side, coefficients, and room for the update
// Memory   the caller owns all of it
// Cost     4 n^3 / 3 flops, half of them in products of matrices
import { addFours, dotFours, multiplySymmetric, subtractBlock, updateBytes } from "./eigen-symmetric";
import { at, dot } from "./lanes";

/** Rows of a block. An even number, and at least 7: `subtractBlock` writes as many columns beyond the matrix it updates. */
// @ts-ignore: decorator
@inline const BLOCK: u32 = 16;

/** Where squares would lose digits to underflow, a row is measured 2^500 times larger. */
const TINY: f64 = reinterpret<f64>(<u64>(1023 - 400) << 52);
const UP: f64 = reinterpret<f64>(<u64>(1023 + 500) << 52);
const DOWN: f64 = reinterpret<f64>(<u64>(1023 - 500) << 52);

// @ts-ignore: decorator
@inline function rowBytes(n: u32): usize {
  return ((<usize>n + 1) & ~1) << 3;
}

export function tridiagonalBytes(n: u32): usize {
  return 2 * BLOCK * (rowBytes(n) + 8) + updateBytes(n, 2 * BLOCK);
}

/** T in d and e, reflectors in A and tau. Entries of A are at most 4. */
export function tridiagonalise(A: usize, n: u32, d: usize, e: usize, tau: usize, work: usize): void {
  const stride = rowBytes(n);
  const X = work, c = X + 2 * BLOCK * stride, room = c + 2 * BLOCK * 8;
  // Sums run over a multiple of four vectors: those that are not there yet have coefficient 0, and must be numbers.
  memory.fill(X, 0, 2 * BLOCK * (stride + 8));
  store<f64>(at(e, n - 1), 0);
  store<f64>(tau, 0);
  for (let end = n; end > 1; ) {
    const start = end > BLOCK ? end - BLOCK : 1;
    let some = false;
    for (let i = end - 1; i >= start; --i) {
      const row = A + ((<usize>i * n) << 3);
      const before: u32 = 2 * (end - 1 - i);
      const u = X + before * stride, w = u + stride;
      if (some) {
        for (let k: u32 = 0; k < before; ++k) store<f64>(at(c, k), load<f64>(at(X + k * stride, i)));
        crossNegated(c, before);
        addFours(row, X, stride, before, i + 1, c);
      }
      store<f64>(at(d, i), load<f64>(at(row, i)));
      const t = reflector(row, i, at(e, i - 1));
      store<f64>(at(tau, i), t);
      memory.copy(u, row, <usize>i << 3);
      memory.fill(w, 0, <usize>i << 3);
      // Nothing to reflect: a diagonal matrix costs n^2.
      if (t == 0) continue;
      multiplySymmetric(w, A, n, i, u);
      if (some) {
        dotFours(c, u, X, stride, before, i);
        crossNegated(c, before);
        addFours(w, X, stride, before, i, c);
      }
      const half = 0.5 * t * t * dot(w, u, i);
      for (let j: usize = 0; j < <usize>i << 3; j += 8) store<f64>(w + j, t * load<f64>(w + j) - half * load<f64>(u + j));
      some = true;
    }
    if (start == 1) {
      let corner = load<f64>(A);
      for (let k: u32 = 0, count: u32 = 2 * (end - 1); k < count; k += 2) {
        corner -= 2 * load<f64>(X + k * stride) * load<f64>(X + (k + 1) * stride);
      }
      store<f64>(A, corner);
    } else if (some) subtractBlock(A, n, start, X, stride, 2 * BLOCK, room);
    end = start;
  }
  store<f64>(d, load<f64>(A));
}

/**
 * What the vectors u and w of a block measured becomes the coefficients that take sum u w' + w u' off: each gets its partner's,
 * negated. Those that fill `count` up to a multiple of four become 0.
 */
function crossNegated(c: usize, count: u32): void {
  for (let k: u32 = 0; k < count; k += 2, c += 16) {
    const both = v128.load(c);
    v128.store(c, f64x2.neg(v128.shuffle<f64>(both, both, 1, 0)));
  }
  if (count & 2) v128.store(c, f64x2.splat(0));
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
