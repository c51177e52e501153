// What a compressed file says of its factor pairs: JSON under the metadata key "loewner".
import { infinityAsText, textAsInfinity } from "./json.js";
import { InvalidFormatError } from "../errors.js";
import { rowTypeOf, type SafetensorsFile, type SafetensorsTensor } from "../formats/index.js";
import type { ChosenMethod, LowRankCertificate, Objective } from "../types/index.js";

export const metadataKey = "loewner";

/** One tensor X that was replaced by X.left [rows, rank] and X.right [rank, cols]. */
export interface PairDescription {
  left: string;
  right: string;
  rows: number;
  cols: number;
  rank: number;
  /** The type of X, and of both factors. */
  dtype: string;
  p: number;
  method: ChosenMethod;
  /** Error of the factors as they are stored. */
  objective: Objective;
  certificate: LowRankCertificate;
  tolerance: number;
  /** Row weights were used: norms are weighted, and checking them takes the same weights. */
  rowWeights: boolean;
  seed: number;
}

export interface Description {
  version: 1;
  layers: Record<string, PairDescription>;
}

/** A described pair with its tensors. */
export interface Pair extends PairDescription {
  name: string;
  leftTensor: SafetensorsTensor;
  rightTensor: SafetensorsTensor;
}

export function describe(pairs: ReadonlyMap<string, PairDescription>): string {
  return JSON.stringify({ version: 1, layers: Object.fromEntries(pairs) } satisfies Description, infinityAsText);
}

/**
 * The pairs of a compressed file, by the name of the tensor that each stands for; empty for any other file.
 * @throws {InvalidFormatError} when the description is damaged, or a tensor is not as described
 */
export function pairsOf(file: SafetensorsFile): Map<string, Pair> {
  const pairs = new Map<string, Pair>();
  const text = file.metadata[metadataKey];
  if (text === undefined) return pairs;
  const broken = (what: string) =>
    new InvalidFormatError(
      `${file.source.name}: metadata "${metadataKey}" ${what}; the file was damaged, or not written by loewner.`,
      {
        file: file.source.name,
      },
    );
  let description: Description;
  try {
    description = JSON.parse(text, textAsInfinity) as Description;
  } catch {
    throw broken("is not JSON");
  }
  if (description?.version !== 1 || typeof description.layers !== "object" || description.layers === null) {
    throw broken(`has version ${JSON.stringify(description?.version)}, not 1`);
  }
  for (const [name, pair] of Object.entries(description.layers)) {
    const leftTensor = file.tensors.get(pair?.left);
    const rightTensor = file.tensors.get(pair?.right);
    if (!leftTensor || !rightTensor) throw broken(`names factors of "${name}" that are not in the file`);
    const { rows, cols, rank } = pair;
    const isShape = (tensor: SafetensorsTensor, a: number, b: number) =>
      tensor.shape.length === 2 &&
      tensor.shape[0] === a &&
      tensor.shape[1] === b &&
      rowTypeOf(tensor.dtype) !== undefined;
    if (!isShape(leftTensor, rows, rank) || !isShape(rightTensor, rank, cols)) {
      throw broken(`says that "${name}" is ${rows} x ${cols} of rank ${rank}, which its factors are not`);
    }
    if (!isDescribed(pair)) throw broken(`lacks the certificate or the error of "${name}"`);
    pairs.set(name, { ...pair, name, leftTensor, rightTensor });
  }
  return pairs;
}

function isDescribed({ p, objective, certificate }: PairDescription): boolean {
  const numbers = [p, objective?.lp, objective?.l1, objective?.l21, objective?.l2, objective?.worstRow?.norm];
  const { lower, upper, slack, sigmaNext, bound, rounding } = certificate ?? {};
  return [...numbers, lower, upper, slack, sigmaNext, bound, rounding].every((x) => typeof x === "number");
}
