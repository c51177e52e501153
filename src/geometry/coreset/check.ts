// What options of coresets are refused for.
import { InvalidInputError } from "../../errors.js";
import { checkOneOf, checkSeed } from "../../options.js";
import type { CoresetOptions, CoresetScheme, CoresetStreamOptions } from "../../types/index.js";
import { checkLewis } from "../lewis/check.js";

export function checkFiniteP(p = 1): void {
  if (p === Infinity) {
    throw new InvalidInputError(
      "p must be finite: at p = Infinity there is no sum of |a_i x|^p to share out or to sample.",
    );
  }
}

const schemes: readonly CoresetScheme[] = ["lewis", "leverage", "mixed", "uniform"];

export function checkCoresetChoice(options: Omit<CoresetOptions, "scores">): void {
  const { size, seed = 0, scheme = "lewis", p, tolerance } = options;
  if (!(Number.isSafeInteger(size) && size >= 1)) {
    throw new InvalidInputError(`size must be a whole number of rows, at least 1; got ${size}.`);
  }
  checkSeed(seed);
  checkOneOf("scheme", scheme, schemes);
  checkFiniteP(p);
  checkLewis({ p, tolerance });
}

/** Levels of a stream keep so many times its size: the last step then has most of the variance. */
export const keepFactor = 4;

export function checkCoresetStream(options: CoresetStreamOptions): void {
  const { cols, size, tileRows } = options;
  if (!(Number.isSafeInteger(cols) && cols >= 1)) {
    throw new InvalidInputError(`cols must be a whole number of at least 1; got ${cols}.`);
  }
  checkCoresetChoice(options);
  if (tileRows !== undefined && !(Number.isSafeInteger(tileRows) && tileRows >= 2 * keepFactor * size)) {
    throw new InvalidInputError(
      `tileRows must be a whole number of at least 8 * size = ${2 * keepFactor * size}; got ${tileRows}.`,
    );
  }
}
