// The lines and the ellipse of one state of the picture, computed by the library's kernel.
import type { Loewner, Matrix, Objective } from "loewner";
import { angleOf, ellipseAxes, type Point } from "./geometry.js";
import type { Scene } from "./scene.js";

/** A line through 0 and its errors. */
export interface Line {
  /** Radians, 0 <= angle < pi. */
  angle: number;
  /** Sum of the distances of all points to it. */
  distances: number;
  /** Sum of their squares. */
  squares: number;
}

export interface Solution {
  p: number;
  /** SVD's. */
  l2: Line;
  /** The l_p-SVD's: the short axis of `ellipse`. */
  lp: Line;
  /** What method "auto" takes for the least sum of distances. */
  best: Line & { method: string };
  /** The Loewner ellipse {x : x'Hx <= 1} of the level set. */
  H: Float64Array;
  /** Angles that the two lines have without the far points. */
  ordinary: { l2: number; lp: number };
}

// A thousandth is less than the width of the ellipse's stroke, and a few starts find what there is to find in a plane: 10 ms.
const ellipseOptions = { tolerance: 1e-3, directions: 8 };

/** Solutions for a scene as it changes. Keeps what ordinary points gave while only far ones move. */
export class Solver {
  private ordinary?: { key: string; angles: Solution["ordinary"] };

  constructor(private readonly loewner: Loewner) {}

  /** @throws LoewnerError of the library */
  async solve({ points, firstFar }: Scene, p: number): Promise<Solution> {
    const { loewner } = this;
    const open = loewner.open(matrixOf(points));
    try {
      const svd = await loewner.lowRank(open, { rank: 1, p, method: "svd" });
      const { H } = await loewner.levelSetEllipsoid(open, { p, ...ellipseOptions });
      const { shortAngle } = ellipseAxes(H.data);
      const lp = await loewner.residual(open, projection(points, shortAngle), { p });
      const best = await loewner.lowRank(open, { rank: 1, p, method: "auto", objective: "l21" });
      return {
        p,
        l2: lineOf(lineAngle(svd.right), svd.report.objective),
        lp: lineOf(shortAngle, lp),
        best: { ...lineOf(lineAngle(best.right), best.report.objective), method: best.method },
        H: H.data,
        ordinary: await this.anglesOfOrdinary(points.slice(0, firstFar), p),
      };
    } finally {
      open.close();
    }
  }

  private async anglesOfOrdinary(points: Point[], p: number): Promise<Solution["ordinary"]> {
    const key = JSON.stringify([p, points]);
    if (this.ordinary?.key !== key) {
      const { right } = await this.loewner.lowRank(matrixOf(points), { rank: 1, p, method: "svd" });
      const { H } = await this.loewner.levelSetEllipsoid(matrixOf(points), { p, ...ellipseOptions });
      this.ordinary = { key, angles: { l2: lineAngle(right), lp: ellipseAxes(H.data).shortAngle } };
    }
    return this.ordinary.angles;
  }
}

function matrixOf(points: readonly Point[]): Matrix<Float64Array> {
  return { data: Float64Array.from(points.flat()), rows: points.length, cols: 2 };
}

/** The factors of A projected on a line: A v and v'. */
function projection(points: readonly Point[], angle: number) {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const left = { data: Float64Array.from(points, ([x, y]) => x * c + y * s), rows: points.length, cols: 1 };
  return { left, right: { data: Float64Array.of(c, s), rows: 1, cols: 2 } };
}

const lineAngle = ({ data }: Matrix) => angleOf([data[0], data[1]]);
const lineOf = (angle: number, { l21, l2 }: Objective): Line => ({ angle, distances: l21, squares: l2 * l2 });
