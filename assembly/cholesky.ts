export function cholesky(A: usize, n: u32, tolerance: f64): i32 {
  for (let i: u32 = 0; i < n; ++i) {
    const ri = A + (<usize>i * n << 3);
    for (let j: u32 = 0; j <= i; ++j) {
      const rj = A + (<usize>j * n << 3);
      let acc = f64x2.splat(0);
      let k: u32 = 0;
      for (; k + 2 <= j; k += 2) acc = f64x2.add(acc, f64x2.mul(v128.load(ri + (<usize>k << 3)), v128.load(rj + (<usize>k << 3))));
      let s = f64x2.extract_lane(acc, 0) + f64x2.extract_lane(acc, 1);
      if (k < j) s += load<f64>(ri + (<usize>k << 3)) * load<f64>(rj + (<usize>k << 3));
      const d = load<f64>(ri + (<usize>j << 3));
      if (i == j) {
        if (!(d - s > tolerance * d) || d - s == Infinity) return <i32>i;
        store<f64>(ri + (<usize>j << 3), sqrt(d - s));
      } else store<f64>(ri + (<usize>j << 3), (d - s) / load<f64>(rj + (<usize>j << 3)));
    }
  }
  return -1;
}
export function triangularInverse(L: usize, n: u32): void {
  for (let i: u32 = 0; i < n; ++i) {
    const ri = L + (<usize>i * n << 3);
    const inv = 1 / load<f64>(ri + (<usize>i << 3));
    for (let j: u32 = 0; j < i; ++j) {
      let s: f64 = 0;
      for (let k = j; k < i; ++k) s += load<f64>(ri + (<usize>k << 3)) * load<f64>(L + ((<usize>k * n + j) << 3));
      store<f64>(ri + (<usize>j << 3), -s * inv);
    }
    store<f64>(ri + (<usize>i << 3), inv);
  }
}
