// Implicit QL iteration for a symmetric tridiagonal matrix.
//
// Dubrulle, A short note on the implicit QL algorithm, Numer. Math. 15 (1970); LAPACK dsteqr for the order of operations.
// It solves what divide and conquer (eigen-divide.ts) no longer divides.
//
// Layout   d  n f64, diagonal, becomes the eigenvalues      e  n f64, e[i] between d[i] and d[i + 1], destroyed
//          rows, panels, stride  vectors (eigen-rotations.ts)      rotations  2 n f64 of scratch
// Memory   the caller owns all of it
// Cost     about 1.7 sweeps an eigenvalue, n / 2 rotations a sweep
import { rotateSweep } from "./eigen-rotations";
import { at } from "./lanes";

/** Half a unit in the last place of 1: an off-diagonal below this share of its neighbours is nothing. */
const ROUNDING: f64 = reinterpret<f64>(<u64>(1023 - 53) << 52);
/** Against a matrix whose largest entry is near 1, nothing either. */
const NOTHING: f64 = reinterpret<f64>(<u64>(1023 - 600) << 52);
/** Below TINY = 2^-900 sums of squares have lost digits; 2^600 brings numbers there back to size. */
const TINY: f64 = reinterpret<f64>(<u64>(1023 - 900) << 52);
const UP: f64 = reinterpret<f64>(<u64>(1023 + 600) << 52);
const DOWN: f64 = reinterpret<f64>(<u64>(1023 - 600) << 52);
/** Sweeps allowed for one eigenvalue; 2 is usual. */
const SWEEPS: u32 = 60;

/**
 * Eigenvalues in d, in no order; the rotations go to the rows of vectors in `panels` panels.
 *
 * @returns 0, or 1 + the index of an eigenvalue that did not converge.
 */
export function implicitQL(d: usize, e: usize, n: u32, rows: usize, panels: u32, stride: usize, rotations: usize): i32 {
  for (let l: u32 = 0; l < n; ++l) {
    for (let sweep: u32 = 0; ; ++sweep) {
      const m = splitAfter(d, e, n, l);
      if (m == l) break;
      if (sweep == SWEEPS) return 1 + <i32>l;
      sweepQL(d, e, l, m, rotations);
      rotateSweep(rows, panels, stride, m, l, rotations);
    }
  }
  return 0;
}

/** The first m >= l with no coupling to m + 1; that coupling is set to zero. */
// @ts-ignore: decorator
@inline function splitAfter(d: usize, e: usize, n: u32, l: u32): u32 {
  let m = l;
  for (; m + 1 < n; ++m) {
    const size = abs<f64>(load<f64>(at(e, m)));
    // Negated, so that NaN ends the search rather than running on.
    if (!(size > ROUNDING * (abs<f64>(load<f64>(at(d, m))) + abs<f64>(load<f64>(at(d, m + 1)))) && size > NOTHING)) break;
  }
  return m;
}

/** One sweep over rows l ... m, bottom up. (cosine, sine) pairs go to `rotations` in that order. */
function sweepQL(d: usize, e: usize, l: u32, m: u32, rotations: usize): void {
  const dl = load<f64>(at(d, l)), el = load<f64>(at(e, l));
  // Wilkinson's shift: the eigenvalue of the leading 2 x 2 nearer to d_l. The test on e_l bounds the quotient.
  const half = (load<f64>(at(d, l + 1)) - dl) / (2 * el);
  const root = sqrt<f64>(half * half + 1);
  let g = load<f64>(at(d, m)) - dl + el / (half + (half < 0 ? -root : root));
  let s: f64 = 1, c: f64 = 1, p: f64 = 0;
  let above = load<f64>(at(d, m));
  for (let i = m - 1; ; --i) {
    const ei = load<f64>(at(e, i));
    let f = s * ei;
    const b = c * ei;
    let r = f * f + g * g;
    if (r < TINY) {
      if (f == 0 && g == 0) {
        c = 1;
        s = 0;
        r = 0;
      } else {
        f *= UP;
        g *= UP;
        r = sqrt<f64>(f * f + g * g);
        c = g / r;
        s = f / r;
        r *= DOWN;
      }
    } else {
      r = sqrt<f64>(r);
      c = g / r;
      s = f / r;
    }
    if (i != m - 1) store<f64>(at(e, i + 1), r);
    g = above - p;
    above = load<f64>(at(d, i));
    r = (above - g) * s + 2 * c * b;
    p = s * r;
    store<f64>(at(d, i + 1), g + p);
    g = c * r - b;
    store<f64>(rotations, c);
    store<f64>(rotations, s, 8);
    rotations += 16;
    if (i == l) break;
  }
  store<f64>(at(d, l), above - p);
  store<f64>(at(e, l), g);
}
