// Symmetric eigenproblem: Householder reduction (tridiagonal.ts), then implicit QL.
//
// Bowdler, Martin, Reinsch, Wilkinson, The QR and QL algorithms for symmetric matrices (1968). The rotations of a sweep over
// T do not depend on the vectors, so they are noted down and applied in batches, eight components of all vectors (a panel
// of 64-byte rows) at a time: a panel stays in cache for the whole batch.
//
// Layout   A       n x n f64, row-major, symmetric; the lower triangle is read. With vectors, row j of A is the unit
//                  eigenvector of w[j] on return; without, A holds nothing of use
//          w       n f64, written: eigenvalues, descending
//          work    eigenWorkBytes(n): d, e, h, 4 n of scratch; BATCH lists of n rotations; panels; vectors
// Memory   the caller owns all of it
// Cost     about 4 n^3 / 3 multiply-adds for the values; 6 n^3 more for the vectors
import { PANEL_ROW, at } from "./lanes";
import { transformBack, tridiagonalize } from "./tridiagonal";

/** Sweeps whose rotations are applied together. */
// @ts-ignore: decorator
@inline const BATCH: u32 = 32;
/** QL sweeps for one eigenvalue; two are usual. */
// @ts-ignore: decorator
@inline const PATIENCE: u32 = 60;
// @ts-ignore: decorator
@inline const EPSILON: f64 = 2.220446049250313e-16;

/** Bytes of `work`. */
export function eigenWorkBytes(n: u32): usize {
  const panels = <usize>((n + 7) >> 3) * n * PANEL_ROW;
  return (<usize>n * 7 << 3) + <usize>BATCH * ((<usize>n << 4) + 8) + panels + ((<usize>n * n) << 3) + 64;
}

/** 0, or 1 + the index of an eigenvalue that did not converge: A holds NaN or infinity. */
export function eigen(A: usize, w: usize, n: u32, work: usize, vectors: i32): i32 {
  const d = work, e = at(d, n), h = at(e, n), scratch = at(h, n);
  const batch = at(scratch, 4 * n);
  const panels = batch + <usize>BATCH * ((<usize>n << 4) + 8);
  const Z = panels + <usize>((n + 7) >> 3) * n * PANEL_ROW;
  const scale = normalize(A, n);
  tridiagonalize(A, n, d, e, h, scratch);
  if (vectors) identityPanels(panels, n);
  const failed = ql(d, e, n, vectors ? panels : 0, batch);
  if (failed) return failed;
  order(d, n, scratch);
  for (let j: u32 = 0; j < n; ++j) {
    const from = load<u32>(scratch + (<usize>j << 2));
    store<f64>(at(w, j), load<f64>(at(d, from)) / scale);
    if (vectors) gather(Z + ((<usize>j * n) << 3), panels, from, n);
  }
  if (vectors) {
    transformBack(Z, n, A, n, h);
    memory.copy(A, Z, (<usize>n * n) << 3);
  }
  return 0;
}

/** Multiplies A by the power of two that brings its largest entry near 1, and returns it. */
function normalize(A: usize, n: u32): f64 {
  let top: f64 = 0;
  for (let i: u32 = 0; i < n; ++i) {
    for (let j: u32 = 0; j <= i; ++j) top = max(top, abs(load<f64>(A + ((<usize>i * n + j) << 3))));
  }
  if (!(top > 0) || top == Infinity) return 1;
  const exponent = max(-1000, min(1000, <i32>((reinterpret<u64>(top) >> 52) & 0x7ff) - 1023));
  const scale = reinterpret<f64>(<u64>(1023 - exponent) << 52);
  for (let o = A, end = A + ((<usize>n * n) << 3); o < end; o += 8) store<f64>(o, load<f64>(o) * scale);
  return scale;
}

/** Row i, component c of the vectors lies in panel c / 8, row i, place c % 8. */
function identityPanels(panels: usize, n: u32): void {
  memory.fill(panels, 0, <usize>((n + 7) >> 3) * n * PANEL_ROW);
  for (let i: u32 = 0; i < n; ++i) {
    store<f64>(panels + (<usize>(i >> 3) * n + i) * PANEL_ROW + (<usize>(i & 7) << 3), 1);
  }
}

function gather(z: usize, panels: usize, row: u32, n: u32): void {
  for (let c: u32 = 0; c < n; c += 8) {
    memory.copy(at(z, c), panels + (<usize>(c >> 3) * n + row) * PANEL_ROW, <usize>min(8, n - c) << 3);
  }
}

/** Indices of d in descending order (ties: as they stand), by insertion. */
function order(d: usize, n: u32, indices: usize): void {
  for (let i: u32 = 0; i < n; ++i) {
    const x = load<f64>(at(d, i));
    let j = i;
    for (; j > 0 && load<f64>(at(d, load<u32>(indices + (<usize>(j - 1) << 2)))) < x; --j) {
      store<u32>(indices + (<usize>j << 2), load<u32>(indices + (<usize>(j - 1) << 2)));
    }
    store<u32>(indices + (<usize>j << 2), i);
  }
}

/** sqrt(x^2 + y^2) for entries of a matrix with norm near 1: only underflow needs care. */
// @ts-ignore: decorator
@inline function hypotenuse(x: f64, y: f64): f64 {
  const sum = x * x + y * y;
  if (sum > 1e-280) return sqrt<f64>(sum);
  const top = max(abs(x), abs(y));
  if (top == 0) return 0;
  const a = x / top, b = y / top;
  return top * sqrt<f64>(a * a + b * b);
}

/** Implicit QL on T; rotations go to `batch` and from there to the panels (0: values only). */
function ql(d: usize, e: usize, n: u32, panels: usize, batch: usize): i32 {
  let norm: f64 = 0;
  for (let i: u32 = 0; i < n; ++i) norm = max(norm, abs(load<f64>(at(d, i))) + abs(load<f64>(at(e, i))));
  // Beside eps times its neighbours, what is eps^2 of the norm is zero: a matrix of zeros must end too.
  const floor = EPSILON * EPSILON * norm;
  const list = (<usize>n << 4) + 8;
  let lists: u32 = 0;
  for (let l: u32 = 0; l < n; ++l) {
    for (let sweeps: u32 = 0; ; ++sweeps) {
      let m = l;
      for (; m + 1 < n; ++m) {
        const off = abs(load<f64>(at(e, m)));
        if (off <= floor || off <= EPSILON * (abs(load<f64>(at(d, m))) + abs(load<f64>(at(d, m + 1))))) break;
      }
      if (m == l) break;
      if (sweeps == PATIENCE) return <i32>l + 1;
      const to = batch + <usize>lists * list;
      const low = sweep(d, e, l, m, to + 8);
      if (panels) {
        store<u32>(to, low);
        store<u32>(to, m, 4);
        if (++lists == BATCH) {
          rotate(panels, n, batch, lists);
          lists = 0;
        }
      }
    }
    if (load<f64>(at(d, l)) != load<f64>(at(d, l))) return <i32>l + 1;
  }
  if (lists) rotate(panels, n, batch, lists);
  return 0;
}

/** One QL sweep on rows l ... m. Notes (c, s) for rows i + 1, i, i = m - 1 down to the row it returns. */
function sweep(d: usize, e: usize, l: u32, m: u32, list: usize): u32 {
  const el = load<f64>(at(e, l));
  let g = (load<f64>(at(d, l + 1)) - load<f64>(at(d, l))) / (2 * el);
  let r = hypotenuse(g, 1);
  g = load<f64>(at(d, m)) - load<f64>(at(d, l)) + el / (g + (g < 0 ? -r : r));
  let s: f64 = 1, c: f64 = 1, p: f64 = 0;
  for (let i = <i32>m - 1; i >= <i32>l; --i) {
    const ei = load<f64>(at(e, i));
    const f = s * ei, b = c * ei;
    r = hypotenuse(f, g);
    store<f64>(at(e, i + 1), r);
    if (r == 0) {
      // T splits here; what has been rotated stands.
      store<f64>(at(d, i + 1), load<f64>(at(d, i + 1)) - p);
      store<f64>(at(e, m), 0);
      return <u32>i + 1;
    }
    s = f / r;
    c = g / r;
    g = load<f64>(at(d, i + 1)) - p;
    r = (load<f64>(at(d, i)) - g) * s + 2 * c * b;
    p = s * r;
    store<f64>(at(d, i + 1), g + p);
    g = c * r - b;
    store<f64>(list + (<usize>i << 4), c);
    store<f64>(list + (<usize>i << 4), s, 8);
  }
  store<f64>(at(d, l), load<f64>(at(d, l)) - p);
  store<f64>(at(e, l), g);
  store<f64>(at(e, m), 0);
  return l;
}

/** Applies the noted rotations to rows i, i + 1 of every panel, the row between two rotations kept in registers. */
function rotate(panels: usize, n: u32, batch: usize, lists: u32): void {
  const count = (n + 7) >> 3;
  const size = (<usize>n << 4) + 8;
  for (let k: u32 = 0; k < count; ++k) {
    const panel = panels + <usize>k * n * PANEL_ROW;
    for (let t: u32 = 0; t < lists; ++t) {
      const list = batch + <usize>t * size;
      const low = load<u32>(list), high = load<u32>(list, 4);
      if (low >= high) continue;
      let row = panel + <usize>high * PANEL_ROW;
      let cs = list + 8 + (<usize>(high - 1) << 4);
      const end = panel + <usize>low * PANEL_ROW;
      let f0 = v128.load(row), f1 = v128.load(row, 16), f2 = v128.load(row, 32), f3 = v128.load(row, 48);
      while (row > end) {
        const c = v128.load_splat<f64>(cs), s = v128.load_splat<f64>(cs, 8);
        const x0 = v128.load(row - PANEL_ROW), x1 = v128.load(row - PANEL_ROW, 16);
        v128.store(row, f64x2.add(f64x2.mul(s, x0), f64x2.mul(c, f0)));
        v128.store(row, f64x2.add(f64x2.mul(s, x1), f64x2.mul(c, f1)), 16);
        f0 = f64x2.sub(f64x2.mul(c, x0), f64x2.mul(s, f0));
        f1 = f64x2.sub(f64x2.mul(c, x1), f64x2.mul(s, f1));
        const x2 = v128.load(row - PANEL_ROW, 32), x3 = v128.load(row - PANEL_ROW, 48);
        v128.store(row, f64x2.add(f64x2.mul(s, x2), f64x2.mul(c, f2)), 32);
        v128.store(row, f64x2.add(f64x2.mul(s, x3), f64x2.mul(c, f3)), 48);
        f2 = f64x2.sub(f64x2.mul(c, x2), f64x2.mul(s, f2));
        f3 = f64x2.sub(f64x2.mul(c, x3), f64x2.mul(s, f3));
        row -= PANEL_ROW;
        cs -= 16;
      }
      v128.store(row, f0);
      v128.store(row, f1, 16);
      v128.store(row, f2, 32);
      v128.store(row, f3, 48);
    }
  }
}
