// What is in a job. Others may write to the same Redis: nothing in it is used before it was looked at.
import type { Subtree } from "../engine/block-sweep.js";
import { blockRows } from "../engine/sweep.js";
import type { RowsShape } from "../engine/threads/protocol.js";
import { ClusterError } from "../errors.js";
import { shownJson } from "../formats/json.js";
import type { RowLocation } from "../location.js";
import { rowTypeBytes } from "../matrix.js";
import type { Claim, Closing } from "./messages.js";

type Checks<T> = { readonly [Name in keyof T]-?: (value: unknown) => boolean };

const isText = (value: unknown) => typeof value === "string" && value !== "";
const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
const isSize = (value: unknown) => isCount(value) && value !== 0;
const isRowType = (value: unknown) => typeof value === "string" && Object.hasOwn(rowTypeBytes, value);
const isOptional = (check: (value: unknown) => boolean) => (value: unknown) => value === undefined || check(value);

const location: Checks<RowLocation> = {
  address: isText,
  offset: isCount,
  rows: isSize,
  cols: isSize,
  dtype: isRowType,
  transposed: (value) => typeof value === "boolean",
};
const shape: Checks<RowsShape> = {
  rows: isSize,
  cols: isSize,
  dtype: isRowType,
  name: isOptional((value) => typeof value === "string"),
};
const subtree: Checks<Subtree> = { first: isCount, blocks: isSize };
const claim: Checks<Claim> = {
  matrix: isText,
  coordinator: isText,
  lifeMs: isCount,
  share: isCount,
  fingerprint: isText,
  location: (value) => faultIn(value, location) === undefined,
  shape: (value) => faultIn(value, shape) === undefined,
  subtrees: isOptional(
    (value) => Array.isArray(value) && value.length > 0 && value.every((each) => faultIn(each, subtree) === undefined),
  ),
};
const closing: Checks<Closing> = { matrix: isText, closing: (value) => value === true };

/** The first field that is not what it should be; "" when it has no fields. */
function faultIn<T>(value: unknown, checks: Checks<T>): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "";
  for (const [name, check] of Object.entries(checks) as [string, (value: unknown) => boolean][])
    if (!check(Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined)) return name;
  return undefined;
}

/** Blocks in row order, without gaps, of rows that there are. */
function areInOrder(subtrees: readonly Subtree[], rows: number): boolean {
  const last = subtrees[subtrees.length - 1];
  return (
    subtrees.every(({ first, blocks }, i) => i + 1 === subtrees.length || first + blocks === subtrees[i + 1].first) &&
    last.first + last.blocks <= Math.ceil(rows / blockRows)
  );
}

/** @throws {ClusterError} when it is none that a coordinator of this release makes */
export function checkJob(data: unknown): Claim | Closing {
  const isClosing = typeof data === "object" && data !== null && "closing" in data;
  const fault = isClosing ? faultIn(data, closing) : faultIn(data, claim);
  if (fault === "") throw refused(`its data are ${shownJson(data)}, not an object`);
  if (fault !== undefined) {
    const value = (data as Record<string, unknown>)[fault];
    throw refused(value === undefined ? `it has no ${fault}` : `its ${fault} is ${shownJson(value)}`);
  }
  if (isClosing) return data as Closing;
  const found = data as Claim;
  if (found.subtrees && !areInOrder(found.subtrees, found.shape.rows))
    throw refused(`its blocks are not those of ${found.shape.rows} rows`);
  return found;
}

const refused = (what: string) =>
  new ClusterError(
    `This job is none of loewner's: ${what}. It was taken off the queue; give loewner a prefix of its own, or a Redis that nobody else writes to.`,
  );
