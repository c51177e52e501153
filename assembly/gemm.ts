// Row tile times small matrix, Y = X B, in panels of 64 bytes: the product under leverage scores, factors and residuals.
//
// Goto, van de Geijn, Anatomy of high-performance matrix multiplication (2008), cut down to one level: B is packed once
// a sweep, X once a block, and the register tile is 2 rows x 4 vectors, the largest that no engine spills.
//
// Layout   X       n x d of S, row-major; packed: pairs of rows, x_0k and x_1k side by side, as T
//          B       d x m f64, row-major; packed: panel j holds columns jW ... jW + W - 1 as d rows of 64 bytes of T
//          strip   (n + 1) rows of 64 bytes: Y's columns of one panel; the last row takes what an odd n spills
// Memory   the caller owns all of it
// Cost     n d m multiply-adds
import { PANEL_ROW, loadAs, loadVector, panelCount, panelWidth } from "./lanes";

/** Rows of B taken at a time: 16 KiB of a panel stay in the first-level cache. Also the order of the sums, so fixed. */
// @ts-ignore: decorator
@inline const DEPTH: u32 = 256;

/** Where the register tile goes: stored, added to what is there, or added with its two rows side by side, as pairs are packed. */
// @ts-ignore: decorator
@inline const STORE: i32 = 0;
// @ts-ignore: decorator
@inline const ADD: i32 = 1;
// @ts-ignore: decorator
@inline const ADD_PAIR: i32 = 2;

/**
 * The inner loop that is nearly all the time: C (2 rows of 64 bytes, `row` bytes apart) = or += sum_k a[k] (outer) b[k]. `b` is
 * read 64 bytes apart, `depth` times; the two factors a lie side by side, `step` bytes apart. `step` and `to` are constants
 * where this is inlined, and one pointer serves both factors: a second one costs a tenth of the speed.
 */
// @ts-ignore: decorator
@inline function micro<T>(a: usize, step: usize, b: usize, depth: u32, c: usize, row: usize, to: i32): void {
  let c00 = v128.splat<T>(<T>0), c01 = c00, c02 = c00, c03 = c00, c10 = c00, c11 = c00, c12 = c00, c13 = c00;
  const end = b + <usize>depth * PANEL_ROW;
  while (b < end) {
    const b0 = v128.load(b), b1 = v128.load(b, 16), b2 = v128.load(b, 32), b3 = v128.load(b, 48);
    let x = v128.load_splat<T>(a);
    c00 = v128.add<T>(c00, v128.mul<T>(x, b0));
    c01 = v128.add<T>(c01, v128.mul<T>(x, b1));
    c02 = v128.add<T>(c02, v128.mul<T>(x, b2));
    c03 = v128.add<T>(c03, v128.mul<T>(x, b3));
    x = v128.load_splat<T>(a, sizeof<T>());
    c10 = v128.add<T>(c10, v128.mul<T>(x, b0));
    c11 = v128.add<T>(c11, v128.mul<T>(x, b1));
    c12 = v128.add<T>(c12, v128.mul<T>(x, b2));
    c13 = v128.add<T>(c13, v128.mul<T>(x, b3));
    a += step;
    b += PANEL_ROW;
  }
  if (to == ADD_PAIR) {
    addPair(c, c00, c10);
    addPair(c + 32, c01, c11);
    addPair(c + 64, c02, c12);
    addPair(c + 96, c03, c13);
    return;
  }
  const d = c + row;
  if (to == ADD) {
    c00 = v128.add<T>(v128.load(c), c00);
    c01 = v128.add<T>(v128.load(c, 16), c01);
    c02 = v128.add<T>(v128.load(c, 32), c02);
    c03 = v128.add<T>(v128.load(c, 48), c03);
    c10 = v128.add<T>(v128.load(d), c10);
    c11 = v128.add<T>(v128.load(d, 16), c11);
    c12 = v128.add<T>(v128.load(d, 32), c12);
    c13 = v128.add<T>(v128.load(d, 48), c13);
  }
  v128.store(c, c00);
  v128.store(c, c01, 16);
  v128.store(c, c02, 32);
  v128.store(c, c03, 48);
  v128.store(d, c10);
  v128.store(d, c11, 16);
  v128.store(d, c12, 32);
  v128.store(d, c13, 48);
}

/** A packed pair of f64 rows, two columns of it, += x in the first row and y in the second. */
// @ts-ignore: decorator
@inline function addPair(c: usize, x: v128, y: v128): void {
  v128.store(c, f64x2.add(v128.load(c), v128.shuffle<f64>(x, y, 0, 2)));
  v128.store(c, f64x2.add(v128.load(c, 16), v128.shuffle<f64>(x, y, 1, 3)), 16);
}

/** c (2 x 64 bytes) = two adjacent columns of one packed panel times all columns of another, over `depth` rows. */
export function microPanels<T>(a: usize, b: usize, depth: u32, c: usize): void {
  micro<T>(a, PANEL_ROW, b, depth, c, PANEL_ROW, STORE);
}

/** c = a packed pair of rows times one packed panel. */
function microPair<T>(pair: usize, b: usize, depth: u32, c: usize): void {
  micro<T>(pair, sizeof<T>() << 1, b, depth, c, PANEL_ROW, STORE);
}

/** c += the same. */
function microPairAdd<T>(pair: usize, b: usize, depth: u32, c: usize): void {
  micro<T>(pair, sizeof<T>() << 1, b, depth, c, PANEL_ROW, ADD);
}

/** Bytes of n x d rows packed in pairs. */
export function pairBytes<T>(n: u32, d: u32): usize {
  return <usize>((n + 1) & ~1) * d * sizeof<T>();
}

/** Packs X (n x d of S) into pairs of rows of T; an odd last row is paired with itself, and its double never used. */
export function packPairs<S, T>(pairs: usize, X: usize, n: u32, d: u32): void {
  const ldx = <usize>d * sizeof<S>();
  const lanes = <u32>(16 / sizeof<T>());
  for (let i: u32 = 0; i < n; i += 2) {
    const x = X + <usize>i * ldx;
    const y = i + 1 < n ? x + ldx : x;
    let k: u32 = 0;
    for (; k + lanes <= d; k += lanes) {
      const o = <usize>k * sizeof<S>();
      const a = loadVector<S, T>(x + o), b = loadVector<S, T>(y + o);
      if (sizeof<T>() == 4) {
        v128.store(pairs, i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23));
        v128.store(pairs, i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31), 16);
      } else {
        v128.store(pairs, i8x16.shuffle(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
        v128.store(pairs, i8x16.shuffle(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), 16);
      }
      pairs += 32;
    }
    for (; k < d; ++k) {
      const o = <usize>k * sizeof<S>();
      store<T>(pairs, loadAs<S, T>(x + o));
      store<T>(pairs, loadAs<S, T>(y + o), sizeof<T>());
      pairs += sizeof<T>() << 1;
    }
  }
}

/** Bytes of a packed B: `rows` x `cols` of T in panels. */
export function panelBytes<T>(rows: u32, cols: u32): usize {
  return <usize>panelCount<T>(cols) * rows * PANEL_ROW;
}

/** Packs B (rows x cols f64, row-major) into panels of T. */
export function packPanels<T>(panels: usize, B: usize, rows: u32, cols: u32): void {
  const width = panelWidth<T>();
  for (let j: u32 = 0; j < cols; j += width) {
    const here = min(width, cols - j);
    for (let r: u32 = 0; r < rows; ++r) {
      const from = B + ((<usize>r * cols + j) << 3);
      for (let c: u32 = 0; c < width; ++c) {
        store<T>(panels + <usize>c * sizeof<T>(), c < here ? <T>load<f64>(from + (<usize>c << 3)) : <T>0);
      }
      panels += PANEL_ROW;
    }
  }
}

/** Bytes of a strip for a tile of n rows. */
export function stripBytes(n: u32): usize {
  return <usize>(n + 1) * PANEL_ROW;
}

/** strip = the first `depth` columns of packed rows (n x d) times `depth` rows of one packed panel. */
export function multiplyStrip<T>(strip: usize, pairs: usize, n: u32, d: u32, panel: usize, depth: u32): void {
  const pair = (<usize>d * sizeof<T>()) << 1;
  for (let k: u32 = 0; k < depth; k += DEPTH) {
    const size = min(DEPTH, depth - k);
    const b = panel + <usize>k * PANEL_ROW;
    let x = pairs + ((<usize>k * sizeof<T>()) << 1);
    let c = strip;
    for (let i: u32 = 0; i < n; i += 2) {
      if (k == 0) microPair<T>(x, b, size, c);
      else microPairAdd<T>(x, b, size, c);
      x += pair;
      c += PANEL_ROW << 1;
    }
  }
}

/**
 * C (n x 8 f64, `lda` bytes a row) += the first `depth` columns of packed rows (n x d f64) times one packed panel; `room` takes
 * the 128 bytes that an odd n spills.
 */
export function addStrip(C: usize, lda: usize, pairs: usize, n: u32, d: u32, panel: usize, depth: u32, room: usize): void {
  const pair = <usize>d << 4;
  for (let k: u32 = 0; k < depth; k += DEPTH) {
    const size = min(DEPTH, depth - k);
    const b = panel + <usize>k * PANEL_ROW;
    let x = pairs + (<usize>k << 4);
    let c = C;
    for (let i: u32 = 0; i + 2 <= n; i += 2, c += lda << 1, x += pair) micro<f64>(x, 16, b, size, c, lda, ADD);
    if (!(n & 1)) continue;
    microPair<f64>(x, b, size, room);
    for (let o: usize = 0; o < PANEL_ROW; o += 16) v128.store(c + o, f64x2.add(v128.load(c + o), v128.load(room + o)));
  }
}

/**
 * C += the first `depth` columns of packed rows (n x d f64) times one packed panel; C is packed in pairs too, `ldc` bytes from
 * one pair to the next, and an odd last row has its double there.
 */
export function addPairs(C: usize, ldc: usize, pairs: usize, n: u32, d: u32, panel: usize, depth: u32): void {
  const pair = <usize>d << 4;
  for (let k: u32 = 0; k < depth; k += DEPTH) {
    const size = min(DEPTH, depth - k);
    const b = panel + <usize>k * PANEL_ROW;
    let x = pairs + (<usize>k << 4);
    let c = C;
    for (let i: u32 = 0; i < n; i += 2, c += ldc, x += pair) micro<f64>(x, 16, b, size, c, 0, ADD_PAIR);
  }
}

/** Copies a strip into columns jW ... of Y (n x m of T, row-major). */
export function storeStrip<T>(Y: usize, strip: usize, n: u32, m: u32, j: u32): void {
  const width = panelWidth<T>();
  const here = min(width, m - j * width);
  const ldy = <usize>m * sizeof<T>();
  let to = Y + <usize>j * PANEL_ROW;
  for (let i: u32 = 0; i < n; ++i) {
    if (here == width) {
      for (let v: usize = 0; v < PANEL_ROW; v += 16) v128.store(to + v, v128.load(strip + v));
    } else {
      for (let c: usize = 0; c < <usize>here * sizeof<T>(); c += sizeof<T>()) store<T>(to + c, load<T>(strip + c));
    }
    to += ldy;
    strip += PANEL_ROW;
  }
}

/** Y = X B for packed X (n x d) and packed B (d x m): the strips one after the other. Y is n x m of T. */
export function multiply<T>(Y: usize, pairs: usize, n: u32, d: u32, panels: usize, m: u32, strip: usize): void {
  const count = panelCount<T>(m);
  for (let j: u32 = 0; j < count; ++j) {
    multiplyStrip<T>(strip, pairs, n, d, panels + <usize>j * d * PANEL_ROW, d);
    storeStrip<T>(Y, strip, n, m, j);
  }
}
