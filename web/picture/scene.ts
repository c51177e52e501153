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

export function firstScene(): Scene {
  const points: Point[] = [
    ...([
      [-3.3, -1.2],
      [-3, -0.9],
      [-2.3, -1.1],
      [-1.7, -1.3],
      [-1.6, -1.1],
      [-1.1, -0.7],
    ] as const),
    ...([
      [-0.7, -0.9],
      [-0.7, -0.2],
      [-0.5, 0.3],
      [0.3, -0.3],
      [0.6, 0.1],
      [1, 0.1],
    ] as const),
    ...([
      [1.4, 0.7],
      [1.5, 1.2],
      [1.9, 1.2],
      [2.7, 0.7],
      [2.7, 1.4],
      [3.2, 1.4],
    ] as const),
    ...([
      [-3.2, 6.9],
      [2.5, -4.8],
    ] as const),
  ];
  return { points, firstFar: points.length - 2 };
}

/** The point, moved into the plane that is shown; never onto the row of zeros, which no line is drawn through. */
export function withinPlane([x, y]: Point): Point {
  const limit = extent - 0.3;
  const clamp = (value: number) => Math.min(limit, Math.max(-limit, Math.round(value * 100) / 100));
  return [clamp(x), clamp(y)];
}
