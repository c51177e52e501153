// What can be proved afresh of a stored pair, and what a file that was written honestly may say of it.
//
// Two proofs of one fact need not be equal: Lewis weights are free within their tolerance, and compress bounds by the worst what the
// factors' types round, where verify measures it. So a saved bound has a range, not a value.
import type { Matrix, RowSource } from "../matrix.js";
import type { Loewner, LowRankCertificate, Objective, RowWeights, RunOptions } from "../types/index.js";
import { boundOf } from "./description.js";
import { storedCertificate } from "./fit.js";
import type { StoredMatrix } from "./stored.js";

/** Of certificates to the default tolerance, 0.01: two of them are within it, each. */
const agreement = 1.01 ** 2;
/** Tolerances that compress may have been given; looser proofs are tried where a bound is not that of the default. */
const tolerances = [0.01, 0.1, 1];

export interface StoredPair {
  readonly left: StoredMatrix;
  readonly right?: StoredMatrix;
  /** `right` as numbers; the identity where there is none. */
  readonly whole: Matrix;
}

export interface StoredProof {
  /** Proved: |(A - left right) x|_p <= bound |x|_2 for every x, left and right as they are stored. */
  bound: number;
  /** What a saved bound may be: no less follows from the proof, no more was ever proved. */
  least: number;
  most: number;
}

/** A larger residual of a pair that projects is not taken into memory. */
const residualBytes = 1 << 29;

interface Request extends RunOptions {
  p: number;
  rowWeights?: RowWeights;
}

/** The proof that the saved bound fits, or else the one that says most. */
export async function proveStored(
  loewner: Loewner,
  source: RowSource,
  pair: StoredPair,
  objective: Objective,
  saved: number,
  request: Request,
): Promise<StoredProof> {
  let best: StoredProof | undefined;
  for await (const proof of proofs(loewner, source, pair, objective, request)) {
    if (isWithin(saved, proof)) return proof;
    if (!best || proof.bound < best.bound) best = proof;
  }
  return best!;
}

export const isWithin = (saved: number, { least, most }: StoredProof) => saved >= least && saved <= most;

async function* proofs(
  loewner: Loewner,
  source: RowSource,
  { left, right, whole }: StoredPair,
  objective: Objective,
  request: Request,
): AsyncGenerator<StoredProof> {
  const { rows, cols, dtype } = source;
  const isLarge = rows * cols * (dtype === "f64" ? 8 : 4) > residualBytes;
  for (const tolerance of request.p === 2 ? tolerances.slice(0, 1) : tolerances) {
    const options = { ...request, tolerance };
    if (left.kind === "codes") {
      const coded = { left, right: right?.kind === "codes" ? right : undefined };
      yield around(await storedCertificate(loewner, source, coded, options, objective));
      continue;
    }
    // What compress may say of A V rounded to the factors' type, whatever it rounds to; then what this left is off by.
    const allowed = boundOf(await loewner.certify(source, whole, { ...options, factorType: left.rows.dtype }));
    const withLeft = { ...options, left: left.rows };
    const bound = boundOf(await loewner.certify(source, whole, { ...withLeft, by: "projection" }));
    const projects = bound <= allowed * agreement;
    if (projects) yield { bound, least: bound / agreement, most: allowed * agreement };
    // entrywise fits left freely, and is proved by what is left of A.
    if (!projects || !isLarge) yield around(await loewner.certify(source, whole, withLeft));
  }
}

function around(certificate: LowRankCertificate): StoredProof {
  const bound = boundOf(certificate);
  return { bound, least: bound / agreement, most: bound * agreement };
}
