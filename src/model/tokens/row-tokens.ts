// Which token a row of a table stands for, where a tokenizer fits the table.
import { isOfTokens } from "../plan-options.js";
import { shapeOf, type Layer } from "../model.js";
import type { Tokenizer } from "./tokenizer.js";
import { fitsTable, misfit } from "./weights.js";

/** The token of each of `rows`, null where a row has none; undefined for a layer that is no table of this tokenizer's tokens. */
export function tokensOfRows(
  layer: Layer,
  rows: ArrayLike<number>,
  tokenizer: Tokenizer | undefined,
): (string | null)[] | undefined {
  if (!tokenizer || !isTableOf(layer, tokenizer)) return undefined;
  return Array.from(rows, (row) => tokenizer.tokens.get(row) ?? null);
}

/** @throws {InvalidInputError} when there are tables of tokens, and none of them can be this tokenizer's; the message has both sizes */
export function checkTokenizer(layers: readonly Layer[], tokenizer: Tokenizer): void {
  const tables = layers.filter(isOfTokens);
  if (tables.length === 0 || tables.some((layer) => isTableOf(layer, tokenizer))) return;
  throw misfit(tokenizer, Math.max(...tables.map((layer) => shapeOf(layer)[0])));
}

const isTableOf = (layer: Layer, tokenizer: Tokenizer) => isOfTokens(layer) && fitsTable(tokenizer, shapeOf(layer)[0]);
