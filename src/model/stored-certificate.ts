// What is proved of a layer as it is stored in few bits.
import { isLoewnerError, OutOfMemoryError } from "../errors.js";
import { encodeNumbers } from "../formats/index.js";
import { widenRows, type Matrix, type RowSource } from "../matrix.js";
import type { Loewner, LowRankCertificate, LowRankOptions, Objective, RowWeights } from "../types/index.js";
import type { Factors } from "./kinds/kind.js";
import { sizeOf } from "./stored-errors.js";
import { spilledMatrix, usualSpillBytes, type Spill } from "./spill.js";

/** Of `storedCertificate`. */
export interface ProofOptions extends Pick<LowRankOptions, "p" | "tolerance" | "rowWeights" | "signal" | "onProgress"> {
  /** A larger residual (f64 of an f64 layer, else f32) is not made. Default 512 MiB. */
  residualBytes?: number;
  /** Gives a place for a residual of more than `spillBytes` (default 64 MiB), which is taken into memory otherwise. */
  spill?: () => Promise<Spill>;
  spillBytes?: number;
}

/**
 * What is proved of A - left right as they are stored in few bits: by an ellipsoid of the residual, which is taken into memory for it, or
 * put where `spill` gives a place; of one of more than `residualBytes` (default 512 MiB), or of more columns than rows, at p >= 1, by the norms of its rows.
 * @param known the pair's error as `residual` gives it, where that was computed already
 */
export async function storedCertificate(
  loewner: Loewner,
  source: RowSource,
  { left, right: stored }: Factors,
  options: ProofOptions,
  known?: Objective,
): Promise<LowRankCertificate> {
  const { rows, cols, dtype } = source;
  const { p = 1, rowWeights, residualBytes = 1 << 29, spill, spillBytes = usualSpillBytes } = options;
  const size = rows * cols * (dtype === "f64" ? 8 : 4);
  if (p >= 1 && (cols > rows || size > residualBytes)) {
    // In f64: the products that `quantise` measures itself by may be in f32, whose rounding a bound must not be below.
    const run = { p, rowWeights, signal: options.signal, onProgress: options.onProgress };
    const { l21 } =
      known ??
      (stored
        ? await loewner.residual(source, { left, right: stored }, run)
        : await sizeOf(loewner, difference(source, left), run));
    return rowNormCertificate(l21, rowWeights);
  }
  const right = stored ?? identity(cols);
  const certify = { ...proofOptions(options), left };
  if (!spill || size <= spillBytes) return loewner.certify(source, right, certify);
  const type = dtype === "f64" ? "f64" : "f32";
  const places: Spill[] = [];
  try {
    return await loewner.certify(source, right, {
      ...certify,
      async residualStore() {
        const place = await spill();
        places.push(place);
        return {
          write: (block) => place.sink.write(encodeNumbers(block, type)),
          finish: async () => spilledMatrix(await place.finish(), { rows, cols, type, name: "residual" }).rows,
        };
      },
    });
  } catch (error) {
    // A disk without room for it is no reason to have no proof.
    if (!isLoewnerError(error, "FILE")) throw error;
    return await loewner.certify(source, right, certify);
  } finally {
    for (const place of places) await place.discard?.();
  }
}

/** A - left, without the product by an identity, which takes several times its cols x cols numbers. In f64. */
function difference(source: RowSource, left: RowSource): RowSource {
  const { rows, cols, name } = source;
  return {
    ...{ rows, cols, dtype: "f64", name },
    async read(start, count) {
      const rest = new Float64Array(count * cols);
      const stored = new Float64Array(count * cols);
      await widenRows(source, start, count, rest);
      await widenRows(left, start, count, stored);
      for (let i = 0; i < rest.length; ++i) rest[i] -= stored[i];
      return new Uint8Array(rest.buffer);
    },
  };
}

/** What all proofs take. */
export function proofOptions({ p = 1, tolerance = 0.01, rowWeights, signal, onProgress }: ProofOptions) {
  return { p, tolerance, rowWeights, signal, onProgress };
}

/**
 * |Rx|_p <= sum_i |r_i|_2 |x|_2 for p >= 1 and weights of at least 1; smaller weights scale it. `lower` 0: nothing is said of
 * how much better another choice could be.
 * @param l21 sum of weights times |r_i|_2
 */
function rowNormCertificate(l21: number, weights?: RowWeights): LowRankCertificate {
  let least = 1;
  for (let i = 0; i < (weights?.length ?? 0); ++i) if (weights![i] > 0) least = Math.min(least, weights![i]);
  const bound = l21 / least;
  return { lower: 0, upper: 1, slack: 1e-6, sigmaNext: bound, bound, rounding: 0 };
}

/** Columns of a table that stands without a right factor: 1 GiB for the identity in its place. */
const widestTable = 2 ** 14;

/** @throws {OutOfMemoryError} past 2^14 columns */
export function identity(n: number): Matrix {
  if (n > widestTable) {
    throw new OutOfMemoryError(
      `A table of ${n} columns in few bits is multiplied by a matrix of ${n} x ${n}, which takes ${4 * n * n} bytes; tables of up to ${widestTable} columns are. Leave the layer out.`,
    );
  }
  const data = new Float32Array(n * n);
  for (let at = 0; at < data.length; at += n + 1) data[at] = 1;
  return { data, rows: n, cols: n };
}
