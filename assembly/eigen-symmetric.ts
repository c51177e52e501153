// What a block of a tridiagonal reduction does to a symmetric matrix: products with vectors, and a subtraction of many u w' + w u'.
//
// Goto, van de Geijn, High-performance implementation of the level-3 BLAS (2008), for the order of the subtraction: a few
// rows of A at a time, so that they are read and written along the rows.
//
// The matrix is cut into chunks of rows, and these are dealt out to parts. A product is the sum of what the parts give, added
// along a binary tree: threads that have some of the parts each come to the same bits as one that has them all.
//
// Layout   A  n x n f64, row-major, lower triangle; or packed: the chunks of the parts that are there, part after part, rows
//             as long as the last one of their chunk
//          X  rows of f64, `stride` bytes apart: u_0, w_0, u_1, w_1 ...      Y  a vector for each part, `stride` bytes apart
// Memory   the caller owns all of it
// Cost     2 m^2 flops for a product with a matrix of m rows, m^2 for each row of X that is subtracted
import { addStrip } from "./gemm";
import { PANEL_ROW, at, dot, sumLanes } from "./lanes";
import { addRow } from "./row-tile";

/** Rows of a chunk, which are updated together. A multiple of 8. */
// @ts-ignore: decorator
@inline const CHUNK: u32 = 32;
/** Parts of a matrix that is worth it, a power of two: as many threads can share it. */
// @ts-ignore: decorator
@inline const PARTS: u32 = 8;
// @ts-ignore: decorator
@inline const PARTS_FROM: u32 = 512;

export function partsOf(n: u32): u32 {
  return n < PARTS_FROM ? 1 : PARTS;
}

/** The chunk that is number g of a part: there and back again, so that parts are of one size. */
// @ts-ignore: decorator
@inline function chunkOf(part: u32, g: u32, parts: u32): u32 {
  return g * parts + (g & 1 ? parts - 1 - part : part);
}

/** Bytes of a packed chunk, and of one of its rows. */
// @ts-ignore: decorator
@inline function chunkRowBytes(chunk: u32): usize {
  return <usize>(chunk + 1) * (CHUNK << 3);
}

// @ts-ignore: decorator
@inline function chunkBytes(chunk: u32): usize {
  return chunkRowBytes(chunk) * CHUNK;
}

/** Bytes of parts `first` to `last` - 1 of an n x n matrix, packed. */
export function partBytes(n: u32, first: u32, last: u32): usize {
  const parts = partsOf(n);
  let bytes: usize = 0;
  for (let p = first; p < last; ++p) {
    for (let g: u32 = 0, chunk = p; chunk * CHUNK < n; chunk = chunkOf(p, ++g, parts)) bytes += chunkBytes(chunk);
  }
  return bytes;
}

/** Bytes before row `row` in packed parts `first` to `last` - 1, or -1 where it is not in them. */
export function rowOffset(n: u32, row: u32, first: u32, last: u32): i32 {
  const parts = partsOf(n);
  let offset: usize = 0;
  for (let p = first; p < last; ++p) {
    for (let g: u32 = 0, chunk = p; chunk * CHUNK < n; chunk = chunkOf(p, ++g, parts)) {
      if (row / CHUNK == chunk) return <i32>(offset + chunkRowBytes(chunk) * (row % CHUNK));
      offset += chunkBytes(chunk);
    }
  }
  return -1;
}

/** Y_p = part p of A v, for the leading m x m of A and parts `first` to `last` - 1; Y begins with part `first`. */
export function multiplyParts(
  Y: usize, stride: usize, A: usize, n: u32, packed: bool, m: u32, v: usize, first: u32, last: u32,
): void {
  const parts = partsOf(n);
  for (let p = first; p < last; ++p, Y += stride) {
    memory.fill(Y, 0, <usize>m << 3);
    for (let g: u32 = 0, chunk = p; chunk * CHUNK < n; chunk = chunkOf(p, ++g, parts)) {
      const r = chunk * CHUNK;
      const lda = packed ? chunkRowBytes(chunk) : <usize>n << 3;
      if (r < m) multiplyChunk(Y, packed ? A : A + r * lda, lda, r, min(r + CHUNK, m), v);
      if (packed) A += chunkBytes(chunk);
    }
  }
}

/** y += rows r to `end` - 1 of A's lower triangle times v, and those rows' transpose. */
function multiplyChunk(y: usize, A: usize, lda: usize, r: u32, end: u32, v: usize): void {
  for (; r + 4 <= end; r += 4, A += 4 * lda) fourRows(y, A, lda, r, v);
  for (; r < end; ++r, A += lda) {
    store<f64>(at(y, r), load<f64>(at(y, r)) + dot(A, v, r + 1));
    addRow(y, load<f64>(at(v, r)), A, r);
  }
}

/** Y_0 = the sum of `parts` vectors of m f64, a power of two; the others are overwritten. */
export function addParts(Y: usize, stride: usize, m: u32, parts: u32): void {
  for (let step: u32 = 1; step < parts; step <<= 1) {
    for (let p: u32 = 0; p < parts; p += step << 1) {
      let to = Y + p * stride, from = to + step * stride;
      for (const end = at(to, m); to < end; to += 16, from += 16) v128.store(to, f64x2.add(v128.load(to), v128.load(from)));
    }
  }
}

/** Rows r to r + 3 of A, r a multiple of 4. */
function fourRows(y: usize, a0: usize, stride: usize, r: u32, v: usize): void {
  let a1 = a0 + stride, a2 = a1 + stride, a3 = a2 + stride;
  const v4 = at(v, r), y4 = at(y, r), end = at(a0, r);
  const v0 = v128.load64_splat(v4), v1 = v128.load64_splat(v4, 8), v2 = v128.load64_splat(v4, 16), v3 = v128.load64_splat(v4, 24);
  let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0;
  while (a0 < end) {
    const x = v128.load(v);
    let a = v128.load(a0);
    s0 = f64x2.add(s0, f64x2.mul(a, x));
    let sum = f64x2.mul(a, v0);
    a = v128.load(a1);
    s1 = f64x2.add(s1, f64x2.mul(a, x));
    sum = f64x2.add(sum, f64x2.mul(a, v1));
    a = v128.load(a2);
    s2 = f64x2.add(s2, f64x2.mul(a, x));
    sum = f64x2.add(sum, f64x2.mul(a, v2));
    a = v128.load(a3);
    s3 = f64x2.add(s3, f64x2.mul(a, x));
    sum = f64x2.add(sum, f64x2.mul(a, v3));
    v128.store(y, f64x2.add(v128.load(y), sum));
    a0 += 16;
    a1 += 16;
    a2 += 16;
    a3 += 16;
    v += 16;
    y += 16;
  }
  store<f64>(y4, load<f64>(y4) + sumLanes(s0));
  store<f64>(y4, load<f64>(y4, 8) + sumLanes(s1), 8);
  store<f64>(y4, load<f64>(y4, 16) + sumLanes(s2), 16);
  store<f64>(y4, load<f64>(y4, 24) + sumLanes(s3), 24);
  for (let i: u32 = 0; i < 4; ++i, a0 += stride) {
    for (let j: u32 = 0; j <= i; ++j) {
      const a = load<f64>(at(a0, j));
      store<f64>(at(y4, i), load<f64>(at(y4, i)) + a * load<f64>(at(v4, j)));
      if (j < i) store<f64>(at(y4, j), load<f64>(at(y4, j)) + a * load<f64>(at(v4, i)));
    }
  }
}

/** y += sum of c_k times row k of X, k < count rounded up to a multiple of four; `length` entries. */
export function addFours(y: usize, X: usize, stride: usize, count: u32, length: u32, c: usize): void {
  for (let k: u32 = 0; k < count; k += 4, c += 32) {
    let x0 = X + k * stride, to = y;
    let x1 = x0 + stride, x2 = x1 + stride, x3 = x2 + stride;
    const c0 = v128.load64_splat(c), c1 = v128.load64_splat(c, 8), c2 = v128.load64_splat(c, 16), c3 = v128.load64_splat(c, 24);
    for (const end = at(to, length & ~1); to < end; to += 16, x0 += 16, x1 += 16, x2 += 16, x3 += 16) {
      const first = f64x2.add(f64x2.mul(c0, v128.load(x0)), f64x2.mul(c1, v128.load(x1)));
      const second = f64x2.add(f64x2.mul(c2, v128.load(x2)), f64x2.mul(c3, v128.load(x3)));
      v128.store(to, f64x2.add(v128.load(to), f64x2.add(first, second)));
    }
    if (length & 1) {
      const first = load<f64>(c) * load<f64>(x0) + load<f64>(c, 8) * load<f64>(x1);
      const second = load<f64>(c, 16) * load<f64>(x2) + load<f64>(c, 24) * load<f64>(x3);
      store<f64>(to, load<f64>(to) + (first + second));
    }
  }
}

/** c_k = x . row k of X, k < count rounded up to a multiple of four; `length` entries. */
export function dotFours(c: usize, x: usize, X: usize, stride: usize, count: u32, length: u32): void {
  for (let k: u32 = 0; k < count; k += 4, c += 32) {
    let x0 = X + k * stride, from = x;
    let x1 = x0 + stride, x2 = x1 + stride, x3 = x2 + stride;
    let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0;
    for (const end = at(from, length & ~1); from < end; from += 16, x0 += 16, x1 += 16, x2 += 16, x3 += 16) {
      const a = v128.load(from);
      s0 = f64x2.add(s0, f64x2.mul(a, v128.load(x0)));
      s1 = f64x2.add(s1, f64x2.mul(a, v128.load(x1)));
      s2 = f64x2.add(s2, f64x2.mul(a, v128.load(x2)));
      s3 = f64x2.add(s3, f64x2.mul(a, v128.load(x3)));
    }
    const last = length & 1 ? load<f64>(from) : 0;
    store<f64>(c, sumLanes(s0) + last * load<f64>(x0));
    store<f64>(c, sumLanes(s1) + last * load<f64>(x1), 8);
    store<f64>(c, sumLanes(s2) + last * load<f64>(x2), 16);
    store<f64>(c, sumLanes(s3) + last * load<f64>(x3), 24);
  }
}

/** Bytes that `subtractBlock` needs for up to n rows: X packed twice, a strip. */
export function updateBytes(n: u32, depth: u32): usize {
  return (<usize>(2 * n + 9) * depth << 3) + 2 * PANEL_ROW;
}

/**
 * A -= sum of u_k w_k' + w_k u_k', for the leading m x m and parts `first` to `last` - 1; X holds `depth` rows. Above the diagonal
 * A is overwritten, up to 6 columns beyond the m-th.
 */
export function subtractBlock(
  A: usize, n: u32, packed: bool, m: u32, X: usize, stride: usize, depth: u32, first: u32, last: u32, work: usize,
): void {
  const pairs = work, panels = pairs + ((<usize>(m + 1) * depth) << 3);
  const room = panels + ((<usize>(m + 7) * depth) << 3);
  let to = pairs;
  for (let r: u32 = 0; r < m; r += 2) {
    for (let k: u32 = 0; k < depth; ++k, to += 16) v128.store(to, v128.load(X + k * stride + (<usize>r << 3)));
  }
  to = panels;
  for (let c: u32 = 0; c < m; c += 8) {
    for (let k: u32 = 0; k < depth; ++k, to += PANEL_ROW) {
      const from = X + (k ^ 1) * stride + (<usize>c << 3);
      for (let o: usize = 0; o < PANEL_ROW; o += 16) v128.store(to + o, f64x2.neg(v128.load(from + o)));
    }
  }
  const parts = partsOf(n);
  for (let p = first; p < last; ++p) {
    for (let g: u32 = 0, chunk = p; chunk * CHUNK < n; chunk = chunkOf(p, ++g, parts)) {
      const r = chunk * CHUNK;
      const lda = packed ? chunkRowBytes(chunk) : <usize>n << 3;
      const rows = min(CHUNK, m - r);
      for (let c: u32 = 0; r < m && c < r + rows; c += 8) {
        const C = (packed ? A : A + r * lda) + (<usize>c << 3);
        addStrip(C, lda, pairs + ((<usize>r * depth) << 3), rows, depth, panels + ((<usize>c * depth) << 3), depth, room);
      }
      if (packed) A += chunkBytes(chunk);
    }
  }
}
