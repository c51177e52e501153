// What can be proved afresh of a stored pair, and what a file that was written honestly may say of it.
//
// Two proofs of one fact need not be equal: Lewis weights are free within their tolerance, and compress bounds by the worst what the
// factors' types round, where verify measures it. So a saved bound has a range, not a value.
import { rowTypeBytes, type RowSource } from "../matrix.js";
import type { Loewner, LowRankCertificate, Objective, RowWeights, RunOptions } from "../types/index.js";
import { boundOf } from "./description.js";
import { storedCertificate } from "./stored-certificate.js";
import type { Factors } from "./kinds/kind.js";
import { floatLeft, type StoredValue } from "./stored.js";

/**
 * The default; that which the start of Lewis weights meets; and one that they are as good as converged at. To any tolerance, and from any
 * start, bounds lie between those of the three: by 20 % apart, where a few rows are far from the rest.
 */
const tolerances = [0.01, 1e9, 1e-6];
/** Of certificates to the default: each is within its tolerance. */
const agreement = 1.01 ** 2;

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
  value: StoredValue,
  factors: Required<Factors>,
  objective: Objective,
  saved: number,
  request: Request,
): Promise<StoredProof> {
  let best: StoredProof | undefined;
  const found = new Map<Proving, StoredProof>();
  const provings = provingsOf(loewner, source, value, factors, objective, request);
  for (const tolerance of request.p === 2 ? tolerances.slice(0, 1) : tolerances) {
    for (const prove of provings) {
      const proof = await prove(tolerance);
      if (!proof) continue;
      const range = joined(proof, found.get(prove));
      if (isWithin(saved, range)) return range;
      found.set(prove, range);
      if (!best || range.bound < best.bound) best = range;
    }
  }
  return best!;
}

export const isWithin = (saved: number, { least, most }: StoredProof) => saved >= least && saved <= most;

function joined(a: StoredProof, b: StoredProof = a): StoredProof {
  const { min, max } = Math;
  return { bound: min(a.bound, b.bound), least: min(a.least, b.least), most: max(a.most, b.most) };
}

/** One way to prove, to a tolerance; undefined where it is not for this pair. */
type Proving = (tolerance: number) => Promise<StoredProof | undefined>;

function provingsOf(
  loewner: Loewner,
  source: RowSource,
  value: StoredValue,
  { left, right }: Required<Factors>,
  objective: Objective,
  request: Request,
): Proving[] {
  if (floatLeft(value) === undefined) {
    return [
      async (tolerance) =>
        around(await storedCertificate(loewner, source, { left, right }, { ...request, tolerance }, objective)),
    ];
  }
  const { rows, cols, dtype } = source;
  const isLarge = rows * cols * rowTypeBytes[dtype === "f64" ? "f64" : "f32"] > residualBytes;
  let projects = false;
  return [
    async (tolerance) => {
      const options = { ...request, tolerance };
      // What compress may say of A V rounded to the factors' type, whatever it rounds to; then what this left is off by.
      const allowed = boundOf(await loewner.certify(source, right, { ...options, factorType: left.dtype }));
      const measured = await loewner.certify(source, right, { ...options, left, by: "projection" });
      const bound = boundOf(measured);
      projects = bound <= allowed * agreement;
      return projects ? { bound, least: bound / agreement, most: allowed * agreement } : undefined;
    },
    // entrywise fits left freely, and is proved by what is left of A.
    async (tolerance) =>
      projects && isLarge ? undefined : around(await loewner.certify(source, right, { ...request, tolerance, left })),
  ];
}

function around(certificate: LowRankCertificate): StoredProof {
  const bound = boundOf(certificate);
  return { bound, least: bound / agreement, most: bound * agreement };
}
