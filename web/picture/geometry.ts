// The plane geometry of the picture: the level set {x : |Ax|_p <= 1} of an n x 2 matrix, the axes of an ellipse, lines through 0.

/** (x, y); y points up. */
export type Point = readonly [x: number, y: number];

/** (sum_i |a_i x|^p)^(1/p) for finite p >= 1; `a` holds the rows of an n x 2 matrix. */
export function normOfProduct(a: readonly Point[], [x, y]: Point, p: number): number {
  let largest = 0;
  for (const [u, v] of a) largest = Math.max(largest, Math.abs(u * x + v * y));
  if (largest === 0) return 0;
  let sum = 0;
  for (const [u, v] of a) sum += Math.pow(Math.abs(u * x + v * y) / largest, p);
  return largest * Math.pow(sum, 1 / p);
}

/**
 * Points on the boundary of {x : |Ax|_p <= 1}, by angle, a full turn; without those in which the set is endless. At p = 1 it is a
 * polygon with its corners where x is perpendicular to a row: they are among the points, so that no corner is cut off. They help
 * for p just above 1 too.
 */
export function levelSetBoundary(a: readonly Point[], p: number, steps = 180): Point[] {
  const angles = Array.from({ length: steps }, (_, i) => (i * Math.PI) / steps);
  for (const [u, v] of a) if (u !== 0 || v !== 0) angles.push(angleOf([-v, u]));
  angles.sort((one, other) => one - other);
  // What is left of |Ax|_p in a direction that every row is perpendicular to is rounding.
  const rounding = 1e-12 * a.reduce((most, [u, v]) => Math.max(most, Math.abs(u), Math.abs(v)), 0);
  const half: Point[] = [];
  for (const angle of angles) {
    const direction: Point = [Math.cos(angle), Math.sin(angle)];
    const norm = normOfProduct(a, direction, p);
    if (norm > rounding) half.push([direction[0] / norm, direction[1] / norm]);
  }
  return [...half, ...half.map(([x, y]): Point => [-x, -y])];
}

/** Half axes of {x : x'Hx <= 1}, the longer first, and the angle of the shorter, the line's; radians, 0 <= angle < pi. */
export interface Axes {
  long: number;
  short: number;
  shortAngle: number;
}

/** @param h 2 x 2, symmetric, row-major, positive semidefinite; an eigenvalue of 0 makes an axis endless */
export function ellipseAxes(h: ArrayLike<number>): Axes {
  const [xx, xy, yy] = [h[0], (h[1] + h[2]) / 2, h[3]];
  const mean = (xx + yy) / 2;
  const spread = Math.hypot((xx - yy) / 2, xy);
  const largest = mean + spread;
  // det / largest, since mean - spread cancels in a long ellipse.
  const smallest = largest > 0 ? Math.max(0, (xx * yy - xy * xy) / largest) : 0;
  const angle = Math.atan2(2 * xy, xx - yy) / 2;
  return {
    long: 1 / Math.sqrt(smallest),
    short: 1 / Math.sqrt(largest),
    shortAngle: angle < 0 ? angle + Math.PI : angle,
  };
}

/** Angle of the line through 0 and the point: 0 <= angle < pi. */
export function angleOf([x, y]: Point): number {
  const angle = Math.atan2(y, x);
  const wrapped = angle < 0 ? angle + Math.PI : angle;
  return wrapped >= Math.PI ? 0 : wrapped;
}

/** Angle between two lines through 0, 0 to pi / 2. */
export function turn(one: number, other: number): number {
  const difference = Math.abs(one - other) % Math.PI;
  return Math.min(difference, Math.PI - difference);
}
