// What the picture starts with: points near a line, and two far from it. They sit on the line's two sides so that they pull alike.
import type { Point } from "./geometry.js";

/** Ordinary points and far ones; the order is that of the matrix's rows. */
export interface Scene {
  points: Point[];
  /** Points from this index on are the far ones. */
  firstFar: number;
}

/** Coordinates of points are within -extent ... extent. */
export const extent = 8;

/** x and y in turn; ordinary points from left to right, then the two far ones. */
const coordinates = [
  -3.3, -1.2, -3, -0.9, -2.3, -1.1, -1.7, -1.3, -1.6, -1.1, -1.1, -0.7, -0.7, -0.9, -0.7, -0.2, -0.5, 0.3, 0.3, -0.3,
  0.6, 0.1, 1, 0.1, 1.4, 0.7, 1.5, 1.2, 1.9, 1.2, 2.7, 0.7, 2.7, 1.4, 3.2, 1.4, -3.2, 6.9, 2.5, -4.8,
];

export function firstScene(): Scene {
  const points = Array.from({ length: coordinates.length / 2 }, (_, i): Point => [
    coordinates[2 * i],
    coordinates[2 * i + 1],
  ]);
  return { points, firstFar: points.length - 2 };
}

/** The point, moved into the part of the plane that is shown, to two decimals. */
export function withinPlane([x, y]: Point): Point {
  const limit = extent - 0.3;
  const clamp = (value: number) => Math.min(limit, Math.max(-limit, Math.round(value * 100) / 100));
  return [clamp(x), clamp(y)];
}
