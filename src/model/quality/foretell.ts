// What `shrinkModel` makes where it has no inputs, before anything is coded.
import type { Loewner } from "../../types/index.js";
import { checkedPlan } from "../checked.js";
import type { Model } from "../model.js";
import { shrinkNames } from "../option-tables.js";
import { openPlan } from "../plan.js";
import { sizesIn, type Plan, type PlanOptions } from "../plan-options.js";
import { cosineAt, cosineOf, costAt, type QualityOptions, usualSensitivity } from "./qualities.js";

export interface Foretold extends Plan {
  /** Mean cosine between the answers and the original's; undefined where layers have sizes of their own. */
  readonly forecast?: number;
}

/**
 * Its plan, from the spectra of the layers.
 * @throws {InvalidInputError} as `planCompression`.
 */
export async function foretell(
  loewner: Loewner,
  model: Model,
  options: PlanOptions & QualityOptions,
): Promise<Foretold> {
  const { quality, cosine, ...given } = checkedPlan("foretell", model, options, shrinkNames);
  const sized = sizesIn(given).length > 0;
  const size = sized ? given : { error: costAt(cosineOf({ quality, cosine })) };
  const { layers, planner, progress, targets } = await openPlan(
    loewner,
    model,
    { dtype: "auto", ...given, ...size, ...(!sized && { shortNames: true }) },
    1,
  );
  progress.finish();
  const sensitivities = new Map(layers.map((layer) => [layer.name, usualSensitivity(layer)]));
  const { chosen, skipped } = await targets({ ...size, sensitivities });
  const lost = chosen.map(({ layer, expected }) => usualSensitivity(layer) * (expected ?? NaN));
  const forecast = cosineAt(lost.reduce((sum, each) => sum + each, 0));
  return { chosen, skipped, bytesAfter: await planner.size(chosen), ...(!Number.isNaN(forecast) && { forecast }) };
}
