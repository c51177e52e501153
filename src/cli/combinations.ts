// Options of compress that say nothing beside each other.
import { InvalidInputError } from "../errors.js";

/** Of those that are unknown only whether they were given counts. */
type Combined = {
  readonly [
    Key in
      | "inputs"
      | "shape"
      | "runtime"
      | "calibrate"
      | "rowWeights"
      | "rowWeightsPower"
      | "plan"
      | "rank"
      | "energy"
      | "budget"
      | "bytes"
      | "minRank"
      | "multipleOf"
      | "groups"
  ]?: unknown;
} & {
  readonly [Key in "verify" | "dryRun" | "resume"]?: boolean;
} & { readonly [Key in "dtype" | "method" | "operators" | "for"]?: string };

/** @throws {InvalidInputError} for options that would be read by nothing */
export function checkCombination(options: Combined): void {
  const { verify, dryRun, resume, inputs, shape, runtime, rowWeights, rowWeightsPower, minRank, budget, bytes } =
    options;
  const { dtype, plan, rank, energy, multipleOf, method } = options;
  checkGroups(options);
  if (dryRun && verify)
    throw new InvalidInputError("--dry-run writes nothing that --verify could look at; leave one of them out.");
  if (dryRun && resume)
    throw new InvalidInputError("--dry-run computes no layer that --resume could take up; leave one of them out.");
  const isRun = verify || options.calibrate !== undefined;
  const unused = Object.entries({ inputs, shape, runtime }).find(
    ([name, value]) => value !== undefined && !(name === "runtime" ? isRun : verify),
  );
  if (unused) throw new InvalidInputError(`--${unused[0]} is for --verify; add that, or leave it out.`);
  if (rowWeightsPower !== undefined && rowWeights === undefined)
    throw new InvalidInputError("--row-weights-power is the power of the counts in --row-weights; give these too.");
  if ((dtype === "transform" || dtype === "trellis") && plan === undefined) {
    const chosen = method === "auto" ? undefined : method;
    const unread = Object.entries({ rank, energy, minRank, multipleOf, method: chosen }).find(
      ([, value]) => value !== undefined,
    );
    if (unread)
      throw new InvalidInputError(
        `--${kebab(unread[0])} is for factors; ${dtype} codes are made for a size: --keep, --budget or --bytes.`,
      );
  }
  if (options.for === "memory") {
    if (options.operators === "standard")
      throw new InvalidInputError(
        "--for memory takes onnxruntime's own operators, which --operators standard rules out; leave one of them out.",
      );
    const other = Object.entries({ rank, energy, dtype: dtype === "auto" ? undefined : dtype }).find(
      ([, value]) => value !== undefined,
    );
    if (other)
      throw new InvalidInputError(
        `--for memory chooses how layers are stored; leave --${other[0]} out, or --for memory.`,
      );
  }
  if (minRank !== undefined && (budget ?? bytes) === undefined)
    throw new InvalidInputError("--min-rank is the smallest rank that --budget and --bytes give; give one of these.");
}

/** @throws {InvalidInputError} for groups of rows that no method makes */
export function checkGroups({ groups, method = "auto" }: Pick<Combined, "groups" | "method">): void {
  if (groups !== undefined && method !== "clusters")
    throw new InvalidInputError(
      `--groups is for --method clusters; the method is ${method}. Name that one, or leave --groups out.`,
    );
}

const kebab = (option: string) => option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
