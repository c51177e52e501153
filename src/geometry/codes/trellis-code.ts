// Matrices in trellis codes of equal bits: a fixed rotation, one scale a row, and error feedback under the second moments of the inputs.
//
// Rotated   by a Kronecker product of random signs, a Hadamard matrix and a small orthogonal one (rotation.ts): entries of a row are
//           nearly normal, and no basis is stored. For matrices of flat spectra, whose own basis would be as large as they are
// Feedback  column k is coded after those before it, each of whose errors is taken off it as H says: Frantar, Ashkboos, Hoefler, Alistarh,
//           GPTQ (2022, arXiv 2210.17323); Chee, Cai, Kuleshov, De Sa, QuIP (2023, arXiv 2307.13304), who prove it the best that looks at
//           columns in order. With H + damping = U^-1 U^-T, U upper, what column k errs times U_kr / U_kk is taken off column r, and
//           tr(E (H + damping) E') is the sum of the squares of what each column erred as it was coded, over U_kk^2
// Codes     run down the rows of one column (Tseng, Sun, Hou, De Sa, QTIP, 2024, arXiv 2406.11235, code blocks): long rows of the trellis, and
//           feedback after each column all the same
import { trellisError, trellisTable } from "../../code-trellis.js";
import type { EngineRows } from "../../engine/engine.js";
import { searchWork } from "../../engine/operations/work.js";
import { blockRows } from "../../engine/sweep.js";
import { InvalidInputError } from "../../errors.js";
import { rowsRead, rowTypeBytes, type RowSource } from "../../matrix.js";
import { checkP, checkSeed } from "../../options.js";
import { rotate, rotationSizes } from "../../rotation.js";
import { levelCount, segmentOf, trellisBytes } from "../../trellis-codes.js";
import type { KroneckerRotation, TrellisCode, TrellisCodeOptions, TrellisCodeResult } from "../../types/index.js";
import { objectiveOf } from "../basis/factors.js";
import { trace, transposeInPlace } from "../basis/small-dense.js";
import { profile } from "../profile.js";
import type { Run } from "../run.js";
import { checkRange } from "./quantise.js";
import { randomRotation } from "./rotation.js";
import { scaleLevels } from "./scale-levels.js";

/** Stream of the random generator that signs are drawn from. */
const signStream = 65;

export function checkTrellisCode(options: TrellisCodeOptions, { cols, name = "A" }: RowSource): void {
  const { bits, moments, damping = 0.01, p = 2, windowBits = 10, seed = 0 } = options;
  if (!(Number.isInteger(bits) && bits >= 1 && bits <= 8))
    throw new InvalidInputError(`bits must be a whole number from 1 to 8; got ${String(bits)}.`);
  checkP(p);
  checkSeed(seed);
  if (![10, 12].includes(windowBits)) throw new InvalidInputError(`windowBits must be 10 or 12; got ${windowBits}.`);
  if (!(damping >= 0 && damping < Infinity))
    throw new InvalidInputError(`damping must be a number of at least 0; got ${damping}.`);
  if (!moments) return;
  if (moments.length !== cols * cols) {
    throw new InvalidInputError(
      `moments must be ${cols} x ${cols} numbers, as many as ${name} has columns on both sides; got ${moments.length}.`,
    );
  }
  const bad = moments.findIndex((x) => !Number.isFinite(x));
  if (bad >= 0)
    throw new InvalidInputError(
      `moments hold ${moments[bad]} at row ${Math.floor(bad / cols)}, column ${bad % cols}; every entry must be finite.`,
    );
}

/** Cost: docs/trellis-code.md. */
export async function trellisCode(
  run: Run,
  source: RowSource,
  options: TrellisCodeOptions,
): Promise<TrellisCodeResult> {
  const { rows: n, cols: d } = source;
  const { bits, moments, damping = 0.01, p = 2, windowBits = 10, seed = 0 } = options;
  const segment = segmentOf(n);
  run.expect(Math.ceil(n / segment) * blockRows * d * (searchWork(windowBits) + (moments ? d : 0)));
  const rows = run.open(source);
  const known = await run.cache.once("profile", () => profile(run, rows));
  checkRange(known, source);
  const { unit } = known;
  const rotation = await kroneckerRotation(run, d, seed);
  const feedback = moments && (await feedbackOf(run, moments, d, rotation, damping));
  const { sizes, squares, products } = await rowSizes(run, rows, moments);
  const lines = rotation.signs.length;
  const root = Math.sqrt(lines);
  const wanted = sizes.map((size) => size / root);
  const zero = sizes.some((size) => size === 0) ? [0] : [];
  const others = squares > 0 ? scaleLevels(wanted, levelCount(n) - zero.length) : [];
  const levels = Float64Array.from([...zero, ...others]);
  const segments = Math.ceil(n / segment);
  const lineBytes = (segment * bits) / 8;
  const codes = new Uint8Array(lines * segments * lineBytes);
  const scales = new Uint8Array(n);
  const filled = segment === blockRows ? rows : run.open(inSegments(source, segment));
  const { output, beyond, ...report } = await run.sweep(
    "trellis",
    filled,
    "codes",
    { bits, windowBits, rows: n, segment, p, unit },
    {
      table: Float64Array.from(trellisTable(bits, windowBits)),
      levels,
      mixing: Float64Array.from(rotation.mixing),
      signs: Float64Array.from(rotation.signs),
      ...(feedback && { feedback: feedback.feedback, pivots: feedback.pivots }),
    },
    {
      emit: (start, block, name) => {
        const at = Math.floor(start / blockRows);
        const bytes = block as Uint8Array;
        if (name === "scales") scales.set(bytes.subarray(0, Math.min(segment, n - at * segment)), at * segment);
        else
          for (let k = 0; k < lines; ++k)
            codes.set(bytes.subarray(k * lineBytes, (k + 1) * lineBytes), (k * segments + at) * lineBytes);
      },
      anyOrder: true,
    },
  );
  const objective = await objectiveOf(run, report, p, unit);
  const share = (part: number, whole: number) => (whole > 0 ? Math.max(0, part) / whole : 0);
  const error = share(objective.l2 * objective.l2, squares);
  const code: TrellisCode = {
    ...{ kind: "trellis", rows: n, cols: d, bits, windowBits, segment },
    ...{ codes, scales, scaleLevels: Float32Array.from(levels), rotation },
  };
  run.finish();
  // What damping adds was made small too, but is no error of products.
  const added = feedback ? feedback.added * (objective.l2 * objective.l2 + beyond[0]) : 0;
  const expected = trellisError(bits, windowBits, segment);
  const outputError = feedback ? share(output[0] - added, products) : error;
  const predictedError = feedback
    ? share(foretold(feedback, expected) * squares, products)
    : share(expected * squares, squares);
  return {
    ...{ code, objective, error, outputError, predictedError },
    ...{ byteLength: trellisBytes(code), seed, seconds: run.seconds },
  };
}

/** Cost: the orthonormal factor of a matrix of at most 128 rows. */
async function kroneckerRotation(run: Run, cols: number, seed: number): Promise<KroneckerRotation> {
  const { size, order } = rotationSizes(cols);
  const length = Math.sqrt(order / size);
  const whole = await randomRotation(run, order, seed);
  const draw = { kind: "uniform", seed, stream: signStream, first: 0, count: size } as const;
  const drawn = await run.engine.dense("random", draw);
  return {
    order,
    mixing: Float32Array.from(whole, (x) => x * length),
    signs: Int8Array.from(drawn, (x) => (x < 0.5 ? -1 : 1)),
  };
}

interface Feedback {
  /** D x D, upper: of what line k errs feedback[k][r] is taken off line r. */
  feedback: Float64Array;
  /** D: what squares of errors of each line, as it is coded, add to tr(E (H + damping) E'). */
  pivots: Float64Array;
  /** To the diagonal of H, by damping. */
  added: number;
}

/**
 * Of H in rotated coordinates, damped; of zeros there is none. Cost: 2 D^2 (order + log2(D / order)) + D^3 / 2 multiply-adds. Memory: three
 * matrices of D x D.
 */
async function feedbackOf(
  run: Run,
  moments: Float64Array,
  d: number,
  rotation: KroneckerRotation,
  damping: number,
): Promise<Feedback | undefined> {
  if (moments.every((x) => x === 0)) return undefined;
  const lines = rotation.signs.length;
  const added = (damping * trace(moments, d)) / d;
  const G = rotatedMoments(moments, d, rotation);
  // Coordinates in reverse: of G = L L' there is L^-T, and U is that of both directions turned around.
  G.reverse();
  for (let at = 0; at < G.length; at += lines + 1) G[at] += added;
  const found = await run.engine.dense("inverseCholesky", { matrix: G, n: lines, tolerance: 0 });
  if ("failedPivot" in found) {
    throw new InvalidInputError(
      `moments and a damping of ${damping} are not positive definite; second moments X'X are, with a damping above 0.`,
    );
  }
  const pivots = new Float64Array(lines);
  const feedback = found.inverse;
  transposeInPlace(feedback, lines);
  feedback.reverse();
  for (let k = 0; k < lines; ++k) {
    const own = k * (lines + 1);
    const pivot = feedback[own];
    pivots[k] = 1 / (pivot * pivot);
    feedback[own] = 0;
    for (let at = own + 1; at < (k + 1) * lines; ++at) feedback[at] /= pivot;
  }
  return { feedback, pivots, added };
}

/** Q'H Q, symmetric, D x D. */
function rotatedMoments(moments: Float64Array, d: number, rotation: KroneckerRotation): Float64Array {
  const lines = rotation.signs.length;
  // (Q'(Q'H)')' = Q'H Q, H symmetric
  const H = new Float64Array(lines * lines);
  for (let i = 0; i < d; ++i) H.set(moments.subarray(i * d, (i + 1) * d), i * lines);
  rotate(H, lines, rotation, false);
  transposeInPlace(H, lines);
  rotate(H, lines, rotation, false);
  for (let i = 0; i < lines; ++i) {
    for (let j = 0; j < i; ++j) {
      const [at, across] = [i * lines + j, j * lines + i];
      H[at] = H[across] = (H[at] + H[across]) / 2;
    }
  }
  return H;
}

/**
 * tr(E H E') to expect beside the sum of squares of A, where lines of variance 1 err by `error` as they are coded. What is taken off
 * lines makes them larger than their scales say, and codes made for one variance err on another as Lapidoth, On the role of mismatch in
 * rate distortion theory (1997), has it.
 */
function foretold({ feedback, pivots, added }: Feedback, error: number): number {
  const lines = pivots.length;
  const variances = new Float64Array(lines).fill(1);
  let sum = 0;
  pivots.forEach((pivot, k) => {
    const own = variances[k] + (1 - error) * (1 - 2 * Math.sqrt(variances[k]));
    // Errors of lines as they are coded, times I + feedback, are those of what is decoded.
    let squares = 1;
    for (let r = k + 1; r < lines; ++r) {
      const square = feedback[k * lines + r] * feedback[k * lines + r];
      variances[r] += square * own;
      squares += square;
    }
    sum += (pivot - added * squares) * own;
  });
  return sum / lines;
}

interface RowSizes {
  /** |a_i|_2 */
  sizes: Float64Array;
  /** Sum of their squares. */
  squares: number;
  /** tr(A H A'), or the squares without moments. */
  products: number;
}

async function rowSizes(run: Run, rows: EngineRows, moments: Float64Array | undefined): Promise<RowSizes> {
  const sizes = new Float64Array(rows.source.rows);
  const sink = { emit: (start: number, block: ArrayLike<number>) => sizes.set(block, start), anyOrder: true };
  await run.sweep("lengths", rows, "row lengths", {}, {}, sink);
  const squares = sizes.reduce((sum, x) => sum + x * x, 0);
  if (!moments) return { sizes, squares, products: squares };
  const { gram } = await run.sweep("gram", rows, "Gram matrix", { wide: true, plain: true }, {});
  return { sizes, squares, products: gram.reduce((sum, x, at) => sum + x * moments[at], 0) };
}

/** Segment after segment, each filled up to a block with rows of zeros. */
function inSegments(source: RowSource, segment: number): RowSource {
  const { rows: n, cols, dtype } = source;
  const rowBytes = cols * rowTypeBytes[dtype];
  return {
    ...{ rows: Math.ceil(n / segment) * blockRows, cols, dtype, name: source.name },
    async read(start, count) {
      const bytes = new Uint8Array(count * rowBytes);
      for (let at = start; at < start + count;) {
        const end = Math.min(start + count, (Math.floor(at / blockRows) + 1) * blockRows);
        const first = Math.floor(at / blockRows) * segment + (at % blockRows);
        const here = Math.min(end - at, segment - (at % blockRows), n - first);
        if (here > 0) bytes.set(await rowsRead(source, first, here), (at - start) * rowBytes);
        at = end;
      }
      return bytes;
    },
  };
}
