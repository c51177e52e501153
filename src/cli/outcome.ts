// What came of a quality, in words: the command line's last line, and the page's.
import type { ShrunkModel } from "../model/index.js";

/** What is told of it. */
export type Told = Pick<ShrunkModel, "agreement" | "forecast" | "asked">;

/** 1 - cosine from which on a warning is due. */
const largeLoss = 0.1;

/** Empty where nothing is known of the answers. */
export function answersOf({ agreement, forecast }: Told): string {
  if (!agreement) return forecast === undefined ? "" : `answers should agree to about ${forecast.toFixed(3)}`;
  const expected = forecast === undefined ? "" : `; ${forecast.toFixed(4)} was expected`;
  return `answers agree to ${agreement.cosine.toFixed(4)} (${agreement.samples} inputs${expected})`;
}

/** "missed": answers agree less than was asked for; "far": nothing was asked for, and they differ much. */
export function faultOf({ agreement, asked }: Told): "missed" | "far" | undefined {
  if (!agreement) return undefined;
  if (asked !== undefined && agreement.cosine < asked) return "missed";
  return 1 - agreement.cosine > largeLoss ? "far" : undefined;
}
