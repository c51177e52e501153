// Plane rotations of vectors that lie as rows in panels of 8 columns, each row of a panel 64 bytes.
//
// Layout   rows   the first row in the first panel      stride  bytes from one panel to the next
// Cost     6 flops a rotation and column. A panel of 32 rows stays in the first-level cache
import { PANEL_ROW } from "./lanes";

/** One QL sweep: `pairs` (cosine, sine) in f64, rotating rows i, i + 1 for i = m - 1 down to l. */
export function rotateSweep(rows: usize, panels: u32, stride: usize, m: u32, l: u32, pairs: usize): void {
  for (let p: u32 = 0; p < panels; ++p, rows += stride) sweepPanel(rows, m, l, pairs);
}

function sweepPanel(panel: usize, m: u32, l: u32, pairs: usize): void {
  let row = panel + (<usize>m << 6);
  const end = panel + (<usize>l << 6);
  let a0 = v128.load(row), a1 = v128.load(row, 16), a2 = v128.load(row, 32), a3 = v128.load(row, 48);
  while (row > end) {
    const c = v128.load64_splat(pairs), s = v128.load64_splat(pairs, 8);
    row -= 64;
    let x = v128.load(row);
    v128.store(row, f64x2.add(f64x2.mul(s, x), f64x2.mul(c, a0)), 64);
    a0 = f64x2.sub(f64x2.mul(c, x), f64x2.mul(s, a0));
    x = v128.load(row, 16);
    v128.store(row, f64x2.add(f64x2.mul(s, x), f64x2.mul(c, a1)), 80);
    a1 = f64x2.sub(f64x2.mul(c, x), f64x2.mul(s, a1));
    x = v128.load(row, 32);
    v128.store(row, f64x2.add(f64x2.mul(s, x), f64x2.mul(c, a2)), 96);
    a2 = f64x2.sub(f64x2.mul(c, x), f64x2.mul(s, a2));
    x = v128.load(row, 48);
    v128.store(row, f64x2.add(f64x2.mul(s, x), f64x2.mul(c, a3)), 112);
    a3 = f64x2.sub(f64x2.mul(c, x), f64x2.mul(s, a3));
    pairs += 16;
  }
  v128.store(row, a0);
  v128.store(row, a1, 16);
  v128.store(row, a2, 32);
  v128.store(row, a3, 48);
}

/** Rows i and j become c i - s j and c j + s i. */
export function rotateRows(rows: usize, panels: u32, stride: usize, i: u32, j: u32, c: f64, s: f64): void {
  const cs = f64x2.splat(c), ss = f64x2.splat(s);
  let x = rows + <usize>i * PANEL_ROW, y = rows + <usize>j * PANEL_ROW;
  for (let p: u32 = 0; p < panels; ++p, x += stride, y += stride) {
    for (let o: usize = 0; o < PANEL_ROW; o += 16) {
      const a = v128.load(x + o), b = v128.load(y + o);
      v128.store(x + o, f64x2.sub(f64x2.mul(cs, a), f64x2.mul(ss, b)));
      v128.store(y + o, f64x2.add(f64x2.mul(cs, b), f64x2.mul(ss, a)));
    }
  }
}

/** One row of a panel. */
// @ts-ignore: decorator
@inline export function copyRow(to: usize, from: usize): void {
  v128.store(to, v128.load(from));
  v128.store(to, v128.load(from, 16), 16);
  v128.store(to, v128.load(from, 32), 32);
  v128.store(to, v128.load(from, 48), 48);
}

export function swapRows(rows: usize, panels: u32, stride: usize, i: u32, j: u32): void {
  let x = rows + <usize>i * PANEL_ROW, y = rows + <usize>j * PANEL_ROW;
  for (let p: u32 = 0; p < panels; ++p, x += stride, y += stride) {
    for (let o: usize = 0; o < PANEL_ROW; o += 16) {
      const a = v128.load(x + o);
      v128.store(x + o, v128.load(y + o));
      v128.store(y + o, a);
    }
  }
}
