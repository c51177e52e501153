// What options of Lewis weights are refused for.
import { checkMaxIterations, checkP, checkTolerance } from "../../options.js";
import type { LewisOptions } from "../../types/index.js";

export function checkLewis({ p = 1, tolerance = 1e-6, maxIterations = 0 }: LewisOptions): void {
  checkP(p, { above: 0, to: Infinity });
  checkTolerance(tolerance);
  checkMaxIterations(maxIterations);
}
