// 128-bit lanes: what the sweeps share that is written for v128 and for both element types.
//
// T is f32 (four lanes) or f64 (two). A panel row is 64 bytes: 16 f32 or 8 f64, four vectors.

/** Bytes of one panel row: four vectors of either type. */
// @ts-ignore: decorator
@inline export const PANEL_ROW: usize = 64;

/** Columns in a panel: 16 for f32, 8 for f64. */
// @ts-ignore: decorator
@inline export function panelWidth<T>(): u32 {
  return <u32>(PANEL_ROW / sizeof<T>());
}

/** Panels that hold `cols` columns, the last one padded with zeros. */
// @ts-ignore: decorator
@inline export function panelCount<T>(cols: u32): u32 {
  return (cols + panelWidth<T>() - 1) / panelWidth<T>();
}

/** One element of a row of S, widened (or passed through) to T. */
// @ts-ignore: decorator
@inline export function loadAs<S, T>(ptr: usize): T {
  return <T>load<S>(ptr);
}

/** A vector of T from consecutive elements of S: 16 bytes of T. S is T, or S is f32 and T f64. */
// @ts-ignore: decorator
@inline export function loadVector<S, T>(ptr: usize): v128 {
  if (sizeof<S>() == sizeof<T>()) return v128.load(ptr);
  return f64x2.promote_low_f32x4(v128.load64_zero(ptr));
}

/** The low two and the high two lanes of a vector of T as f64; for f64 the vector itself. */
// @ts-ignore: decorator
@inline export function lowAsF64<T>(x: v128): v128 {
  if (sizeof<T>() == 8) return x;
  return f64x2.promote_low_f32x4(x);
}

// @ts-ignore: decorator
@inline export function highAsF64(x: v128): v128 {
  return f64x2.promote_low_f32x4(i8x16.shuffle(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15));
}

/** Sum of the two lanes, low first. */
// @ts-ignore: decorator
@inline export function sumLanes(x: v128): f64 {
  return f64x2.extract_lane(x, 0) + f64x2.extract_lane(x, 1);
}

/** x . y over n entries of f64. */
export function dot(x: usize, y: usize, n: u32): f64 {
  let a = f64x2.splat(0), b = a;
  let i: u32 = 0;
  for (; i + 4 <= n; i += 4) {
    const o = <usize>i << 3;
    a = f64x2.add(a, f64x2.mul(v128.load(x + o), v128.load(y + o)));
    b = f64x2.add(b, f64x2.mul(v128.load(x + o, 16), v128.load(y + o, 16)));
  }
  let sum = sumLanes(f64x2.add(a, b));
  for (; i < n; ++i) sum += load<f64>(at(x, i)) * load<f64>(at(y, i));
  return sum;
}

/** Where entry i of an array of f64 lies. */
// @ts-ignore: decorator
@inline export function at(x: usize, i: u32): usize {
  return x + (<usize>i << 3);
}
