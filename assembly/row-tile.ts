// Two rows against four rows: the dot products and the combinations under Cholesky factors, triangular inverses and
// Householder back-transforms. Both read every row from left to right, so nothing has to be packed.
//
// Layout   all rows f64; the four rows lie `stride` bytes apart; `count` elements of each are used, a multiple of 4
// Cost     8 count multiply-adds. 8 accumulators (or 8 factors) + 4 vectors + 1 fit the 15 registers of V8
//
// Each sum runs over two lanes, even and odd elements, added at the end: the order is fixed.

/** c0, c1 (4 f64 each) = a0, a1 times the four rows of b, transposed; `subtract`: taken from c0, c1 instead. */
// @ts-ignore: decorator
@inline function dots(subtract: bool, a0: usize, a1: usize, b: usize, stride: usize, count: u32, c0: usize, c1: usize): void {
  let b1 = b + stride, b2 = b1 + stride, b3 = b2 + stride;
  let s00 = f64x2.splat(0), s01 = s00, s02 = s00, s03 = s00, s10 = s00, s11 = s00, s12 = s00, s13 = s00;
  const end = a0 + (<usize>count << 3);
  while (a0 < end) {
    let x0 = v128.load(b), x1 = v128.load(b1), x2 = v128.load(b2), x3 = v128.load(b3);
    let a = v128.load(a0);
    s00 = f64x2.add(s00, f64x2.mul(a, x0));
    s01 = f64x2.add(s01, f64x2.mul(a, x1));
    s02 = f64x2.add(s02, f64x2.mul(a, x2));
    s03 = f64x2.add(s03, f64x2.mul(a, x3));
    a = v128.load(a1);
    s10 = f64x2.add(s10, f64x2.mul(a, x0));
    s11 = f64x2.add(s11, f64x2.mul(a, x1));
    s12 = f64x2.add(s12, f64x2.mul(a, x2));
    s13 = f64x2.add(s13, f64x2.mul(a, x3));
    x0 = v128.load(b, 16);
    x1 = v128.load(b1, 16);
    x2 = v128.load(b2, 16);
    x3 = v128.load(b3, 16);
    a = v128.load(a0, 16);
    s00 = f64x2.add(s00, f64x2.mul(a, x0));
    s01 = f64x2.add(s01, f64x2.mul(a, x1));
    s02 = f64x2.add(s02, f64x2.mul(a, x2));
    s03 = f64x2.add(s03, f64x2.mul(a, x3));
    a = v128.load(a1, 16);
    s10 = f64x2.add(s10, f64x2.mul(a, x0));
    s11 = f64x2.add(s11, f64x2.mul(a, x1));
    s12 = f64x2.add(s12, f64x2.mul(a, x2));
    s13 = f64x2.add(s13, f64x2.mul(a, x3));
    a0 += 32;
    a1 += 32;
    b += 32;
    b1 += 32;
    b2 += 32;
    b3 += 32;
  }
  putDots(subtract, c0, s00, s01);
  putDots(subtract, c0 + 16, s02, s03);
  putDots(subtract, c1, s10, s11);
  putDots(subtract, c1 + 16, s12, s13);
}

// @ts-ignore: decorator
@inline function putDots(subtract: bool, c: usize, s0: v128, s1: v128): void {
  const sum = f64x2.add(v128.shuffle<f64>(s0, s1, 0, 2), v128.shuffle<f64>(s0, s1, 1, 3));
  v128.store(c, subtract ? f64x2.sub(v128.load(c), sum) : sum);
}

/** c0, c1 (4 f64 each) = the dot products of a0, a1 with the four rows of b. */
export function dotsInto(a0: usize, a1: usize, b: usize, stride: usize, count: u32, c0: usize, c1: usize): void {
  dots(false, a0, a1, b, stride, count, c0, c1);
}

/** c0, c1 (4 f64 each) -= the dot products of a0, a1 with the four rows of b. */
export function dotsFrom(a0: usize, a1: usize, b: usize, stride: usize, count: u32, c0: usize, c1: usize): void {
  dots(true, a0, a1, b, stride, count, c0, c1);
}

/** y0, y1 += the four rows of x, times the four f64 at c0, at c1. Rows may be as long as the caller likes. */
export function addRows(y0: usize, y1: usize, x: usize, stride: usize, count: u32, c0: usize, c1: usize): void {
  let x1 = x + stride, x2 = x1 + stride, x3 = x2 + stride;
  const c00 = v128.load64_splat(c0), c01 = v128.load64_splat(c0, 8), c02 = v128.load64_splat(c0, 16);
  const c03 = v128.load64_splat(c0, 24), c10 = v128.load64_splat(c1), c11 = v128.load64_splat(c1, 8);
  const c12 = v128.load64_splat(c1, 16), c13 = v128.load64_splat(c1, 24);
  const end = y0 + (<usize>count << 3);
  while (y0 < end) {
    const v0 = v128.load(x), v1 = v128.load(x1), v2 = v128.load(x2), v3 = v128.load(x3);
    let y = f64x2.add(f64x2.mul(c00, v0), f64x2.mul(c01, v1));
    y = f64x2.add(y, f64x2.add(f64x2.mul(c02, v2), f64x2.mul(c03, v3)));
    v128.store(y0, f64x2.add(v128.load(y0), y));
    y = f64x2.add(f64x2.mul(c10, v0), f64x2.mul(c11, v1));
    y = f64x2.add(y, f64x2.add(f64x2.mul(c12, v2), f64x2.mul(c13, v3)));
    v128.store(y1, f64x2.add(v128.load(y1), y));
    x += 16;
    x1 += 16;
    x2 += 16;
    x3 += 16;
    y0 += 16;
    y1 += 16;
  }
}

/** y += alpha x; any `count`. */
export function addRow(y: usize, alpha: f64, x: usize, count: u32): void {
  const whole = y + (<usize>(count & ~1) << 3);
  const a = f64x2.splat(alpha);
  for (; y < whole; y += 16, x += 16) v128.store(y, f64x2.add(v128.load(y), f64x2.mul(a, v128.load(x))));
  if (count & 1) store<f64>(y, load<f64>(y) + alpha * load<f64>(x));
}
