// What compress tells of weights that were quantised before.
import { InvalidInputError } from "../errors.js";
import { decodeNumbers } from "../half.js";
import type { CompressedModel, Model } from "../model/index.js";
import { rowChunks } from "../model/stored.js";
import type { Context } from "./context.js";
import { megabytes, percent } from "./text.js";

/** @throws {InvalidInputError} for a result that is no smaller: codes in place of codes are no gain by themselves */
export function checkShrunk({ name }: Model, { bytesBefore, bytesAfter }: CompressedModel): void {
  if (bytesAfter < bytesBefore) return;
  throw new InvalidInputError(
    `Coded anew, ${name} would take ${megabytes(bytesAfter)}, and it has ${megabytes(bytesBefore)}: nothing was written. Allow a larger error (--quality, --keep, --budget), or start from the float file.`,
    { file: name },
  );
}

/** How far what is stored is from what the old codes stand for. Cost: a sweep over these weights. */
export async function sayRequantised(context: Context, model: Model, { layers }: CompressedModel): Promise<void> {
  const coded = layers.filter(({ storedAs }) => storedAs !== undefined);
  if (coded.length === 0) return;
  let [error, size] = [0, 0];
  for (const { name, objective } of coded) {
    error += objective.l2 * objective.l2;
    const rows = model.rows(name);
    for await (const chunk of rowChunks(rows)) for (const x of decodeNumbers(chunk, rows.dtype)) size += x * x;
  }
  const count = coded.length === 1 ? "1 layer was" : `${coded.length} layers were`;
  context.say(
    `${count} quantised already: coded anew, ${percent(size > 0 ? Math.sqrt(error / size) : 0)} off (relative, l_2) what the old codes stand for, on top of what these had lost. The float file loses less.`,
  );
}
