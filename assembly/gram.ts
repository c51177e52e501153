// Weighted Gram matrix G = sum_i r_i^2 (c a_i)(c a_i)' of one block of rows, added along the fixed binary tree over block
// numbers: the sweep that SVD, leverage scores and Lewis weights share.
//
// Layout   A       n x d of S, row-major (n <= 256: a block)       r  n f64, or 0 for ones: row scales
//          c       d f64, or 0 for ones: column scales, powers of two
//          packed  panels of T (gemm.ts): one buffer serves both operands
//          slots   levels of partial sums, `gramSlotBytes` each: upper-triangular tiles W x W of f64, tile (i, j), i <= j,
//                  at j (j + 1) / 2 + i. Slot l holds the sum of a subtree of 2^l blocks
// Sums     inside a block in T, above it in f64. Which slot a block ends in follows from its number alone (the carries of a
//          binary counter), so tile size, threads and sources never touch the answer
// Memory   the caller owns all of it; slots need no zeroing
// Cost     n d (d + W) / 2 multiply-adds, and one read and one write of a slot a block, on average
import { PANEL_ROW, highAsF64, lowAsF64, loadVector, panelCount, panelWidth } from "./lanes";
import { microPanels } from "./gemm";

/** Bytes of one slot. */
export function gramSlotBytes<T>(d: u32): usize {
  const panels = <usize>panelCount<T>(d);
  const width = <usize>panelWidth<T>();
  return ((panels * (panels + 1)) >> 1) * width * width * sizeof<f64>();
}

/** Bytes of the packed block, with the register tile behind it. */
export function gramPackedBytes<T>(n: u32, d: u32): usize {
  return <usize>panelCount<T>(d) * n * PANEL_ROW + (PANEL_ROW << 1);
}

/** packed = T(a_ij) c_j r_i, in panels. */
function packRows<S, T>(packed: usize, A: usize, n: u32, d: u32, r: usize, c: usize): void {
  const width = panelWidth<T>();
  const whole = d / width;
  const lanes = <u32>(16 / sizeof<T>());
  const panel = <usize>n * PANEL_ROW;
  for (let i: u32 = 0; i < n; ++i) {
    let a = A + <usize>i * d * sizeof<S>();
    let to = packed + <usize>i * PANEL_ROW;
    const scale: T = r ? <T>load<f64>(r + (<usize>i << 3)) : <T>1;
    const s = v128.splat<T>(scale);
    for (let j: u32 = 0; j < whole; ++j) {
      for (let v: u32 = 0; v < 4; ++v) {
        let x = loadVector<S, T>(a);
        if (c) x = v128.mul<T>(x, columnScales<T>(c + (<usize>(j * width + v * lanes) << 3)));
        v128.store(to + (<usize>v << 4), v128.mul<T>(x, s));
        a += <usize>lanes * sizeof<S>();
      }
      to += panel;
    }
    if (whole * width < d) {
      for (let k: u32 = 0; k < width; ++k) {
        const col = whole * width + k;
        let x: T = 0;
        if (col < d) {
          x = <T>load<S>(a + <usize>k * sizeof<S>());
          if (c) x *= <T>load<f64>(c + (<usize>col << 3));
          x *= scale;
        }
        store<T>(to + <usize>k * sizeof<T>(), x);
      }
    }
  }
}

// @ts-ignore: decorator
@inline function columnScales<T>(c: usize): v128 {
  if (sizeof<T>() == 8) return v128.load(c);
  const low = f32x4.demote_f64x2_zero(v128.load(c));
  const high = f32x4.demote_f64x2_zero(v128.load(c, 16));
  return i8x16.shuffle(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
}

/** v += slot l for the `carries` lowest levels, in order, then into slot `carries`. `count` bytes of f64 from `at`. */
// @ts-ignore: decorator
@inline function carry(v: v128, at: usize, stride: usize, carries: u32): void {
  for (let l: u32 = 0; l < carries; ++l) {
    v = f64x2.add(v128.load(at), v);
    at += stride;
  }
  v128.store(at, v);
}

/** Adds the Gram matrix of block number `block` into the slots. */
export function gramBlock<S, T>(slots: usize, A: usize, n: u32, d: u32, r: usize, c: usize, packed: usize, block: u32): void {
  packRows<S, T>(packed, A, n, d, r, c);
  const width = panelWidth<T>();
  const panels = panelCount<T>(d);
  const panel = <usize>n * PANEL_ROW;
  const tile = packed + <usize>panels * panel;
  const stride = gramSlotBytes<T>(d);
  const carries = <u32>ctz<u32>(~block);
  let to = slots;
  for (let j: u32 = 0; j < panels; ++j) {
    const b = packed + <usize>j * panel;
    for (let i: u32 = 0; i <= j; ++i) {
      let a = packed + <usize>i * panel;
      for (let k: u32 = 0; k < width; k += 2) {
        microPanels<T>(a, b, n, tile);
        for (let v: usize = 0; v < PANEL_ROW << 1; v += 16) {
          const x = v128.load(tile + v);
          carry(lowAsF64<T>(x), to, stride, carries);
          to += 16;
          if (sizeof<T>() == 4) {
            carry(highAsF64(x), to, stride, carries);
            to += 16;
          }
        }
        a += sizeof<T>() << 1;
      }
    }
  }
}

/**
 * Ends the tree after `blocks` blocks, and writes G (d x d f64, row-major, symmetric). What slots still hold is added from
 * the last subtree to the first.
 */
export function gramFinish<T>(G: usize, slots: usize, d: u32, blocks: u32): void {
  const stride = gramSlotBytes<T>(d);
  const first = ctz<u32>(blocks);
  const width = panelWidth<T>();
  const base = slots + stride * first;
  for (let l: u32 = first + 1; l < 32; ++l) {
    if (!((blocks >> l) & 1)) continue;
    const from = slots + stride * l;
    for (let o: usize = 0; o < stride; o += 16) v128.store(base + o, f64x2.add(v128.load(from + o), v128.load(base + o)));
  }
  for (let i: u32 = 0; i < d; ++i) {
    const pi = i / width;
    for (let j: u32 = i; j < d; ++j) {
      const pj = j / width;
      const tile = ((<usize>pj * (pj + 1)) >> 1) + pi;
      const g = load<f64>(base + (((tile * width + (i % width)) * width + (j % width)) << 3));
      store<f64>(G + ((<usize>i * d + j) << 3), g);
      store<f64>(G + ((<usize>j * d + i) << 3), g);
    }
  }
}
