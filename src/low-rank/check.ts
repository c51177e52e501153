// What low rank takes, before any work.
import { InvalidInputError } from "../errors.js";
import type { RowSource } from "../matrix.js";
import { checkOneOf, checkP, checkSeed, checkSize, checkTolerance, describeRange, isInRange } from "../options.js";
import type { ChosenMethod, LowRankFactorOptions, LowRankOptions } from "../types/index.js";
import { candidatesOf, fitters } from "./candidates.js";
import { groupsOf } from "./rank.js";

export function checkLowRank(options: LowRankOptions | LowRankFactorOptions, source: RowSource): void {
  const {
    p = 1,
    tolerance = 0.01,
    method = "auto",
    objective = "lp",
    factorType = source.dtype,
    maxWork = 0,
    report = true,
    groups,
  } = options;
  if (groups !== undefined) checkGroups(groups, method, source);
  checkSize(options, source, groupsOf(options));
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

function checkGroups(groups: number, method: string, { rows, name = "A" }: RowSource): void {
  if (method !== "clusters") {
    throw new InvalidInputError(
      `groups is for method "clusters"; the method is "${method}". Name that one, or leave groups out.`,
    );
  }
  const most = Math.min(rows, mostGroups);
  if (Number.isSafeInteger(groups) && groups >= 1 && groups <= most) return;
  throw new InvalidInputError(
    `groups must be a whole number from 1 to ${most}${most === rows ? `, the rows of ${name}` : ""}; got ${groups}.`,
  );
}

/** A group's number takes a byte. */
const mostGroups = 256;
