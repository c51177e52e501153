// What low rank takes, before any work.
import { InvalidInputError } from "../errors.js";
import type { RowSource } from "../matrix.js";
import { checkOneOf, checkP, checkSeed, checkSize, checkTolerance, describeRange, isInRange } from "../options.js";
import type { ChosenMethod, LowRankFactorOptions, LowRankOptions } from "../types/index.js";
import { candidatesOf, fitters } from "./candidates.js";

export function checkLowRank(options: LowRankOptions | LowRankFactorOptions, source: RowSource): void {
  const {
    p = 1,
    tolerance = 0.01,
    method = "auto",
    objective = "lp",
    factorType = source.dtype,
    maxWork = 0,
    report = true,
  } = options;
  checkSize(options, source);
  checkP(p, { above: 0, to: Infinity });
  checkTolerance(tolerance);
  checkSeed(options.seed ?? 0);
  checkOneOf("method", method, ["auto", ...(Object.keys(fitters) as ChosenMethod[])]);
  if (method !== "auto" && !isInRange(p, fitters[method].range)) {
    throw new InvalidInputError(
      `method "${method}" does not take p = ${p}; it takes ${describeRange(fitters[method].range)}. "auto" and "lewis" take every p.`,
    );
  }
  if (!report && candidatesOf(options, source).methods.length > 1) {
    throw new InvalidInputError(
      `report: false takes one method; ${method === "auto" ? '"auto"' : "compareSvd"} compares the errors of several. Name one, such as "lewis".`,
    );
  }
  if (!(maxWork >= 0)) throw new InvalidInputError(`maxWork must be a number of at least 0; got ${maxWork}.`);
  checkOneOf("objective", objective, ["lp", "l21", "l2", "operator"]);
  checkOneOf("factorType", factorType, ["f64", "f32", "f16", "bf16"]);
}
