// Smallest centred ellipsoid of the points +-a_i, a small set of them in memory: the inner solver of every Loewner ellipsoid.
//
// maximise log det M(u), M(u) = sum_i u_i a_i a_i', over the simplex. At the optimum omega_i = a_i' M^-1 a_i is d where
// u_i > 0 and at most d elsewhere, and the ellipsoid is {x : x' M^-1 x <= d}.
// Steps       Wolfe-Atwood with away steps (Todd, Yildirim 2007; Ahipasaoglu, Sun, Todd 2008): rank-one updates of M^-1
// Start       Kumar, Yildirim 2005: d points, each the farthest from the span of those before
// Finish      interior-point Newton on the points near the boundary (enclosing-newton.ts): the steps alone may crawl
//
// Shapes      points m x d, row-major; u and omega m; inverse d x d
// Numbers     columns are scaled by powers of two, then the points are kept in coordinates where M is the identity, anew
//             every few steps, so that every matrix that is factored is near the identity
// Cost        m d multiply-adds a step; m d^2 a refresh; s^3 / 6 a Newton step for s points near the boundary
import { InvalidInputError } from "../../errors.js";
import { newtonWeights } from "./enclosing-newton.js";
import { powerOfTwoBelow } from "../profile.js";
import { choleskyInPlace, dot, solveRowsInPlace, weightedGram } from "../basis/small-dense.js";

export interface EncloseOptions {
  /** u to start from, m of them on the simplex; one whose points do not span the space is not used. */
  start?: Float64Array;
  /** Of the residual. Default 1e-10. */
  tolerance?: number;
  /** Steps, Newton's among them. Default 100,000. */
  maxIterations?: number;
}

export interface Enclosing {
  /** m weights on the simplex. */
  u: Float64Array;
  /** (sum u_i a_i a_i')^-1, d x d, symmetric. */
  inverse: Float64Array;
  /** T with inverse = T T', d x d, upper triangular. */
  transform: Float64Array;
  /** a_i' M^-1 a_i, m of them, computed afresh. */
  omega: Float64Array;
  iterations: number;
  /** max(omega_+ / d - 1, 1 - omega_- / d): the largest omega of all, the smallest where u_i > 0. */
  residual: number;
  converged: boolean;
}

/** Newton's steps begin below this residual. */
const newtonBelow = 0.01;
/** Points that Newton's matrix is made of, at most: 72 MB of it, seconds a step. */
const newtonMost = 3000;
/** Rounds of Newton's method, each with the points that stuck out after the one before. */
const newtonRounds = 30;
/** Relative pivot below which the points count as not spanning the space. */
const flat = 1e-14;

/**
 * H = inverse / d is the centred ellipsoid {x : x' H x <= 1}; it holds every point up to the residual.
 * @throws {InvalidInputError} when the points do not span the space
 */
export function enclose(
  points: Float64Array,
  m: number,
  d: number,
  { start, tolerance = 1e-10, maxIterations = 100_000 }: EncloseOptions = {},
): Enclosing {
  const design = new Design(points, m, d, start);
  let newtonAt = newtonBelow;
  for (;;) {
    const { iterations: before } = design;
    const goal = Math.max(tolerance, newtonAt);
    while (design.iterations < maxIterations && design.measure() > goal) design.step();
    design.refresh();
    const residual = design.measure();
    if (residual <= tolerance || design.iterations >= maxIterations) break;
    if (residual > goal) continue;
    const stuck = newtonAt === 0;
    newtonAt = design.newton(tolerance, maxIterations) ? Math.min(newtonAt, residual) / 4 : 0;
    if (stuck && design.iterations === before) break;
  }
  const { u, omega, iterations, transform } = design;
  const residual = design.measure();
  return { u, inverse: design.inverse(), transform, omega, iterations, residual, converged: residual <= tolerance };
}

/** Weights u with the points in coordinates B = A T in which W is the inverse of sum u_i b_i b_i'. */
class Design {
  iterations = 0;
  u: Float64Array;
  readonly omega: Float64Array;
  private readonly B: Float64Array;
  /** T, up to the steps since the last refresh. */
  readonly transform: Float64Array;
  private readonly W: Float64Array;
  private readonly g: Float64Array;
  private age = 0;
  /** Where omega is largest, and smallest among u > 0. */
  private top = 0;
  private low = 0;

  constructor(
    points: Float64Array,
    private readonly m: number,
    private readonly d: number,
    start?: Float64Array,
  ) {
    this.omega = new Float64Array(m);
    this.B = points.slice(0, m * d);
    this.transform = new Float64Array(d * d);
    this.W = new Float64Array(d * d);
    this.g = new Float64Array(d);
    for (let j = 0; j < d; ++j) {
      let size = 0;
      for (let i = 0; i < m; ++i) size = Math.max(size, Math.abs(points[i * d + j]));
      const scale = size > 0 ? powerOfTwoBelow(1 / size) : 1;
      for (let i = 0; i < m; ++i) this.B[i * d + j] *= scale;
      this.transform[j * d + j] = scale;
    }
    this.u = start?.slice() ?? new Float64Array(m);
    if (start && this.refresh(flat)) return;
    this.u = new Float64Array(m).fill(1 / m);
    if (!this.refresh(flat)) {
      throw new InvalidInputError(
        `The ${m} points do not span the ${d} dimensions; give their coordinates in the span.`,
      );
    }
    this.u = farthest(this.B, m, d);
    this.refresh();
  }

  /** New coordinates, in which M is the identity; false (and nothing changed) where M has no inverse. */
  refresh(pivot = 0): boolean {
    const { B, transform, W, m, d, u, omega } = this;
    const L = weightedGram(B, m, d, u);
    if (choleskyInPlace(L, d, pivot) >= 0) return false;
    solveRowsInPlace(L, d, B, m);
    solveRowsInPlace(L, d, transform, d);
    W.fill(0);
    for (let j = 0; j < d; ++j) W[j * d + j] = 1;
    for (let i = 0; i < m; ++i) omega[i] = dot(B, i * d, B, i * d, d);
    this.age = 0;
    return true;
  }

  /** The residual; finds what the next step is about. */
  measure(): number {
    const { u, omega, m, d } = this;
    this.top = 0;
    this.low = -1;
    for (let i = 0; i < m; ++i) {
      if (omega[i] > omega[this.top]) this.top = i;
      if (u[i] > 0 && (this.low < 0 || omega[i] < omega[this.low])) this.low = i;
    }
    return Math.max(omega[this.top] / d - 1, 1 - omega[this.low] / d);
  }

  /** Towards the point farthest out, or away from the point of positive weight that is farthest in. */
  step(): void {
    const { u, omega, B, W, g, m, d } = this;
    const j = d === 1 || omega[this.top] + omega[this.low] > 2 * d ? this.top : this.low;
    ++this.iterations;
    // An interval: its end has all the weight.
    const best = d === 1 ? (omega[j] > 1 ? Infinity : -u[j]) : (omega[j] - d) / ((d - 1) * omega[j]);
    if (best === Infinity) {
      u.fill(0)[j] = 1;
      this.refresh();
      return;
    }
    const drop = best <= -u[j];
    const lambda = drop ? -u[j] : best;
    for (let p = 0; p < d; ++p) g[p] = dot(W, p * d, B, j * d, d);
    const shrink = lambda / (1 + lambda * omega[j]);
    for (let i = 0; i < m; ++i) {
      const c = dot(B, i * d, g, 0, d);
      omega[i] = (1 + lambda) * (omega[i] - shrink * c * c);
      u[i] /= 1 + lambda;
    }
    u[j] = drop ? 0 : u[j] + lambda / (1 + lambda);
    for (let p = 0; p < d; ++p) {
      const x = shrink * g[p];
      for (let q = 0; q < d; ++q) W[p * d + q] = (1 + lambda) * (W[p * d + q] - x * g[q]);
    }
    if (++this.age >= 8 * d + 32) this.refresh();
  }

  /** Newton's method on the points that matter; false when they are too many, or the numbers give out. */
  newton(tolerance: number, maxIterations: number): boolean {
    const { omega, B, m, d } = this;
    const among = new Uint8Array(m);
    // A point that was left out and sticks out afterwards comes in the next time: log det M rises from round to round.
    for (let round = 0; round < newtonRounds && this.iterations < maxIterations; ++round) {
      const residual = this.measure();
      if (residual <= tolerance) break;
      const out: number[] = [];
      for (let i = 0; i < m; ++i) {
        if (this.u[i] > 0) among[i] = 1;
        else if (!among[i] && omega[i] > d * (1 - (round ? 0 : 2 * residual))) out.push(i);
      }
      out.sort((i, j) => omega[j] - omega[i] || i - j);
      const room = newtonMost - among.reduce((count, x) => count + x, 0);
      for (const i of out.slice(0, Math.min(d * (d + 1) + 100, Math.max(0, room)))) among[i] = 1;
      const near = Array.from(among.keys()).filter((i) => among[i]);
      if (near.length > newtonMost) return false;
      const points = new Float64Array(near.length * d);
      near.forEach((i, k) => points.set(B.subarray(i * d, (i + 1) * d), k * d));
      const start = Float64Array.from(near, (i) => this.u[i]);
      const { weights, iterations } = newtonWeights(
        points,
        d,
        start,
        residual,
        tolerance,
        maxIterations - this.iterations,
      );
      this.iterations += iterations;
      const old = this.u;
      this.u = new Float64Array(m);
      near.forEach((i, k) => (this.u[i] = weights[k]));
      if (!this.refresh(flat)) {
        this.u = old;
        this.refresh();
        return false;
      }
    }
    return true;
  }

  inverse(): Float64Array {
    const { transform: T, d } = this;
    const result = new Float64Array(d * d);
    for (let p = 0; p < d; ++p) for (let q = 0; q < d; ++q) result[p * d + q] = dot(T, p * d, T, q * d, d);
    return result;
  }
}

/** 1/d on each of d points: each the farthest from the span of those before. The points span the space. */
function farthest(B: Float64Array, m: number, d: number): Float64Array {
  const rest = B.slice();
  const u = new Float64Array(m);
  for (let k = 0; k < d; ++k) {
    let far = 0;
    let size = -1;
    for (let i = 0; i < m; ++i) {
      const square = dot(rest, i * d, rest, i * d, d);
      if (square > size) [far, size] = [i, square];
    }
    u[far] += 1 / d;
    const direction = rest.slice(far * d, (far + 1) * d);
    for (let i = 0; i < m; ++i) {
      const along = dot(rest, i * d, direction, 0, d) / size;
      for (let j = 0; j < d; ++j) rest[i * d + j] -= along * direction[j];
    }
  }
  return u;
}
