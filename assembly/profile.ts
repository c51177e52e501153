// What must be known of a matrix before anything is computed: that it is finite, and how its columns are scaled.
//
// Layout   X     n x d of T, row-major
//          sums  d f64, written: sums of squares of the columns        tops  d f64, written: largest |x| of each
// Returns  index (row * d + column) of the first NaN or infinity, or -1
// Cost     one read of X
import { loadAs, loadVector, sumLanes } from "./lanes";

export function profileBlock<T>(X: usize, n: u32, d: u32, sums: usize, tops: usize): i32 {
  memory.fill(sums, 0, <usize>d << 3);
  memory.fill(tops, 0, <usize>d << 3);
  for (let i: u32 = 0; i < n; ++i) {
    const row = X + <usize>i * d * sizeof<T>();
    let j: u32 = 0;
    for (; j + 2 <= d; j += 2) {
      const at = <usize>j << 3;
      const x = loadVector<T, f64>(row + <usize>j * sizeof<T>());
      v128.store(sums + at, f64x2.add(v128.load(sums + at), f64x2.mul(x, x)));
      v128.store(tops + at, f64x2.max(v128.load(tops + at), f64x2.abs(x)));
    }
    if (j < d) {
      const at = <usize>j << 3;
      const x = loadAs<T, f64>(row + <usize>j * sizeof<T>());
      store<f64>(sums + at, load<f64>(sums + at) + x * x);
      store<f64>(tops + at, max(load<f64>(tops + at), abs(x)));
    }
  }
  // max passes NaN on, so a column's top tells.
  for (let j: u32 = 0; j < d; ++j) {
    const top = load<f64>(tops + (<usize>j << 3));
    if (top - top != 0) return firstNonFinite<T>(X, n * d);
  }
  return -1;
}

function firstNonFinite<T>(X: usize, count: u32): i32 {
  for (let i: u32 = 0; i < count; ++i) {
    const x = load<T>(X + <usize>i * sizeof<T>());
    if (x - x != 0) return <i32>i;
  }
  return -1;
}

/** q_i = sum_j (c_j x_ij)^2, c d f64 or 0 for ones. */
export function rowSquares<T>(q: usize, X: usize, n: u32, d: u32, c: usize): void {
  for (let i: u32 = 0; i < n; ++i) {
    const row = X + <usize>i * d * sizeof<T>();
    let even = f64x2.splat(0), odd = even;
    let j: u32 = 0;
    for (; j + 4 <= d; j += 4) {
      const at = row + <usize>j * sizeof<T>();
      let x = loadVector<T, f64>(at), y = loadVector<T, f64>(at + 2 * sizeof<T>());
      if (c) {
        x = f64x2.mul(x, v128.load(c + (<usize>j << 3)));
        y = f64x2.mul(y, v128.load(c + (<usize>j << 3), 16));
      }
      even = f64x2.add(even, f64x2.mul(x, x));
      odd = f64x2.add(odd, f64x2.mul(y, y));
    }
    let sum = sumLanes(f64x2.add(even, odd));
    for (; j < d; ++j) {
      let x = loadAs<T, f64>(row + <usize>j * sizeof<T>());
      if (c) x *= load<f64>(c + (<usize>j << 3));
      sum += x * x;
    }
    store<f64>(q + (<usize>i << 3), sum);
  }
}
