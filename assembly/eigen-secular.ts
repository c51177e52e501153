// Secular equation f(x) = 1 / rho + sum_i z_i^2 / (d_i - x) = 0, rho > 0: the eigenvalues of diag(d) + rho z z'.
//
// Li, Solving secular equations stably and efficiently, LAPACK Working Note 89 (1993): the middle way, here inside a bracket.
// Each step solves c + s / (d_j - x) + t / (d_j+1 - x) = 0 with f's value there, where s has the slope of the terms to the left
// and t of those to the right. (The fixed weight method took 53 evaluations where poles crowd.) A root is kept as the nearer
// pole and a distance: d_i - x = (d_i - pole) - distance loses no digits where the plain difference of the two would.
//
// Layout   poles d (k, ascending, distinct), squares z_i^2 (k, positive), origins and distances (k each, written): all f64
//          sums  4 f64 of scratch: the terms left of the root and their slopes, those right of it and theirs
// Memory   the caller owns all of it
// Cost     4 to 5 evaluations a root, seldom 10, k divisions each, two at a time
import { at, sumLanes } from "./lanes";

const EPSILON: f64 = reinterpret<f64>(<u64>(1023 - 53) << 52);
/** Evaluations allowed for one root. From half of them on the bracket is halved each time, so that they suffice. */
const EVALUATIONS: u32 = 160;

/** Sum of squares_i / (d_i - x) for i = from ... to - 1, x = origin + distance, at `sums`; its derivative behind it. */
function side(poles: usize, squares: usize, from: u32, to: u32, origin: f64, distance: f64, sums: usize): void {
  const o = f64x2.splat(origin), t = f64x2.splat(distance), one = f64x2.splat(1);
  let s = f64x2.splat(0), ds = s;
  let i = from;
  for (; i + 2 <= to; i += 2) {
    const r = f64x2.div(one, f64x2.sub(f64x2.sub(v128.load(at(poles, i)), o), t));
    const q = f64x2.mul(v128.load(at(squares, i)), r);
    s = f64x2.add(s, q);
    ds = f64x2.add(ds, f64x2.mul(q, r));
  }
  let sum = sumLanes(s), slope = sumLanes(ds);
  if (i < to) {
    const r = 1 / (load<f64>(at(poles, i)) - origin - distance);
    const q = load<f64>(at(squares, i)) * r;
    sum += q;
    slope += q * r;
  }
  store<f64>(sums, sum);
  store<f64>(sums, slope, 8);
}

/** The root of c x^2 - a x + b between the two poles of the model that it comes from. */
// @ts-ignore: decorator
@inline function between(a: f64, b: f64, c: f64): f64 {
  const root = sqrt<f64>(abs<f64>(a * a - 4 * b * c));
  return a > 0 ? (2 * b) / (a + root) : (a - root) / (2 * c);
}

/**
 * The j-th root, counted from 0; `total` is rho |z|^2. Root j lies between d_j and d_j+1, the last one in (d_k-1, d_k-1 +
 * total]. At the result |f| is not above what rounding makes of it.
 *
 * @returns how many evaluations of f it took, 0 when they did not suffice
 */
export function secularRoot(
  j: u32, k: u32, poles: usize, squares: usize, inverseRho: f64, total: f64, origins: usize, distances: usize, sums: usize,
): u32 {
  const left = load<f64>(at(poles, j));
  const last = j + 1 == k;
  // To the right of the last root stands a pole without weight, twice as far as the root can be.
  const gap = last ? 2 * total : load<f64>(at(poles, j + 1)) - left;
  const weight1 = load<f64>(at(squares, j)), weight2 = last ? 0 : load<f64>(at(squares, j + 1));
  const slack = EPSILON * (8 + 0.25 * <f64>k);

  // First the middle: its sign tells the nearer pole, its value what all others amount to there.
  let distance = 0.5 * gap;
  let origin = left, pole1: f64 = 0, pole2 = gap;
  let low: f64 = 0, high = distance;
  for (let evaluation: u32 = 0; evaluation < EVALUATIONS; ++evaluation) {
    side(poles, squares, 0, j + 1, origin, distance, sums);
    side(poles, squares, j + 1, k, origin, distance, sums + 16);
    const leftSum = load<f64>(sums), rightSum = load<f64>(sums, 16);
    const leftSlope = load<f64>(sums, 8), rightSlope = load<f64>(sums, 24);
    const f = inverseRho + leftSum + rightSum, slope = leftSlope + rightSlope;
    const noise = slack * (inverseRho - leftSum + rightSum) + EPSILON * abs<f64>(distance) * slope;
    let next: f64;
    if (evaluation == 0 && f < 0 && !last) {
      origin = load<f64>(at(poles, j + 1));
      distance = -distance;
      pole1 = -gap;
      pole2 = 0;
      low = distance;
      high = 0;
    } else if (f < 0) low = distance;
    else high = distance;
    if (abs<f64>(f) <= noise || high - low <= EPSILON * max<f64>(-low, high)) {
      store<f64>(at(origins, j), origin);
      store<f64>(at(distances, j), distance);
      return evaluation + 1;
    }
    const to1 = pole1 - distance, to2 = pole2 - distance;
    if (evaluation == 0) {
      const c = f - weight1 / to1 - weight2 / to2;
      next = between(
        c * (pole1 + pole2) + weight1 + weight2,
        c * pole1 * pole2 + weight1 * pole2 + weight2 * pole1,
        c,
      );
    } else {
      const c = f - to1 * leftSlope - to2 * rightSlope;
      next = distance + between((to1 + to2) * f - to1 * to2 * slope, to1 * to2 * f, c);
    }
    // Negated, so that NaN is outside.
    if (!(next > low && next < high) || evaluation >= EVALUATIONS >> 1) next = 0.5 * (low + high);
    distance = next;
  }
  return 0;
}

/**
 * The |z_i| for which the roots found, rounding and all, would be exact: vectors made from these are orthogonal to working
 * precision, however close the roots. Gu, Eisenstat, A stable and efficient algorithm for the rank-one modification of the symmetric
 * eigenproblem, SIAM J. Matrix Anal. Appl. 15 (1994), theorem 3.3. z_i^2 = prod_j (x_j - d_i) / prod_j!=i (d_j - d_i), up to
 * a factor common to all.
 */
export function exactWeight(i: u32, k: u32, poles: usize, origins: usize, distances: usize): f64 {
  const d = load<f64>(at(poles, i));
  const ds = f64x2.splat(d);
  // Root j beside pole j below i, root j beside pole j + 1 from i on: each quotient is then positive and near 1.
  let product = f64x2.splat(1);
  let rest = load<f64>(at(origins, k - 1)) - d + load<f64>(at(distances, k - 1));
  let j: u32 = 0;
  for (; j + 2 <= i; j += 2) product = f64x2.mul(product, quotients(poles, origins, distances, ds, j, j));
  if (j < i) {
    rest *= (load<f64>(at(origins, j)) - d + load<f64>(at(distances, j))) / (load<f64>(at(poles, j)) - d);
  }
  for (j = i; j + 3 <= k; j += 2) product = f64x2.mul(product, quotients(poles, origins, distances, ds, j, j + 1));
  if (j + 2 <= k) {
    rest *= (load<f64>(at(origins, j)) - d + load<f64>(at(distances, j))) / (load<f64>(at(poles, j + 1)) - d);
  }
  return sqrt<f64>(f64x2.extract_lane(product, 0) * f64x2.extract_lane(product, 1) * rest);
}

/** (x_j - d) / (d_m - d) for j, j + 1 and m, m + 1. */
// @ts-ignore: decorator
@inline function quotients(poles: usize, origins: usize, distances: usize, d: v128, j: u32, m: u32): v128 {
  const above = f64x2.add(f64x2.sub(v128.load(at(origins, j)), d), v128.load(at(distances, j)));
  return f64x2.div(above, f64x2.sub(v128.load(at(poles, m)), d));
}
