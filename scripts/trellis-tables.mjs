// node scripts/trellis-tables.mjs [--evaluations 300] [--stream 1] [--anew]      finds better codes than those of src/code-tables.ts
// node scripts/trellis-tables.mjs --levels                                      finds new levels for those that are there
// node scripts/trellis-tables.mjs --measure                                     measures their errors
//
// and writes src/code-tables.ts; each takes minutes. --bits 8 --window 10 leaves all others as they are.
//
// A code is linear: window w has the level g[M w xor a], M an invertible binary matrix, g 2^L levels, ascending and odd (the highest rank
// bit is the first row's). So a table is L numbers, and a curve for the levels. It is what Ungerboeck's codes and trellis-coded
// quantisation after them are, but with far more levels than 2^(bits + 1): those shape the path to the normal distribution.
//
// Search   climbing over M and a from what is there, or anew from the best of some random ones, by the error on one sample; three samples
//          one after another, so that none is learnt by heart. Streams of random numbers are as many searches
// Levels   z (a + b z^2 + c z^4), z the middles of 2^L intervals of nearly equal probability. The search climbs over a; then all three
//          by least squares from the entries that a level stands for, along the trellis as Lloyd does (Linde, Buzo, Gray 1980)
// Errors   on samples of their own, rows of `measuredLengths` entries
// Numbers  by seed, from the kernel; as many trials as asked, whatever the clock says
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { withFrame } from "../build/lib/kernel/frame.js";
import { inlinedKernel } from "../build/lib/kernel/inlined.js";
import { Kernel } from "../build/lib/kernel/load.js";
import { linearCodes } from "../build/lib/code-tables.js";
import { quantile, trellisTable } from "../build/lib/code-trellis.js";

const { values } = parseArgs({
  options: {
    evaluations: { type: "string", default: "300" },
    stream: { type: "string", default: "1" },
    anew: { type: "boolean" },
    levels: { type: "boolean" },
    measure: { type: "boolean" },
    bits: { type: "string" },
    window: { type: "string" },
  },
});
const seed = 16;
const trainingRow = 128;
const measuredLengths = [8, 16, 32, 64, 128, 256, 512];
const windows = [10, 12];

const kernel = await Kernel.load(await inlinedKernel());
const { call } = kernel;

/** `count` normal numbers as f32 in the kernel, for good. */
function normals(stream, count) {
  const drawn = withFrame(kernel, (frame) => {
    const at = frame.f64(count);
    call.normals(at, count, seed, 0, stream, 0);
    return Float32Array.from(kernel.f64(at, count));
  });
  const at = kernel.allocate(4 * count);
  kernel.f32(at, count).set(drawn);
  return { at, values: drawn };
}

/** Numbers in [0, 1) one after another. */
function uniforms(stream) {
  let next = 0;
  let left = [];
  return () => {
    if (!left.length) {
      left = withFrame(kernel, (frame) => {
        const at = frame.f64(4096);
        call.uniforms(at, 4096, seed, 0, stream, next);
        return [...kernel.f64(at, 4096)].reverse();
      });
      next += 4096;
    }
    return left.pop();
  };
}

/** Mean squared error of the table on a sample in rows of n; each window is handed to `visit` with its entry. */
function errorOf(table, bits, windowBits, { at, values: entries }, n = trainingRow, visit = undefined) {
  return withFrame(kernel, (frame) => {
    const rows = Math.floor(entries.length / n);
    const rowBytes = (n * bits) / 8;
    const y = frame.bytes(4 << windowBits);
    kernel.f32(y, table.length).set(table);
    const codes = frame.bytes(rows * rowBytes);
    const sums = frame.f64(3 * rows);
    const work = frame.bytes(call.trellisWorkBytes(n, bits, windowBits));
    call.trellisPrepare(work, n, bits, windowBits, y);
    call.trellisEncode(codes, sums, at, rows, n, n, bits, windowBits, y, work);
    if (visit) {
      const out = frame.bytes(4 * entries.length);
      // A table that holds its own places tells the window.
      kernel.f32(y, table.length).set(table.map((_, w) => w));
      call.trellisDecode(out, codes, rows, n, bits, windowBits, y, 0);
      kernel.f32(out, entries.length).forEach((w, i) => visit(w, entries[i]));
    }
    return kernel.f64(sums, 3 * rows).reduce((sum, x, i) => (i % 3 ? sum : sum + x), 0) / entries.length;
  });
}

/** M w xor a of every window; nothing when M has not full rank. */
function ranksOf({ rows, offset }, windowBits) {
  const k = rows.length;
  const columns = Array.from({ length: windowBits }, (_, j) => rows.reduce((x, row) => 2 * x + ((row >> j) & 1), 0));
  const basis = [];
  for (const column of columns) {
    const rest = basis.reduce((x, y) => Math.min(x, x ^ y), column);
    if (rest) basis.push(rest);
  }
  if (basis.length < k) return undefined;
  const ranks = new Uint16Array(2 ** windowBits).fill(offset);
  for (let w = 1; w < ranks.length; ++w) {
    const top = 31 - Math.clz32(w);
    ranks[w] = ranks[w ^ (1 << top)] ^ columns[top];
  }
  return ranks;
}

/** The code with the curve of levels that is best for the paths on `sample`. */
function lloyd(code, bits, windowBits, sample) {
  const half = 2 ** (code.rows.length - 1);
  const ranks = ranksOf(code, windowBits);
  const [count, sum] = [new Float64Array(half), new Float64Array(half)];
  errorOf(trellisTable(bits, windowBits, code), bits, windowBits, sample, trainingRow, (w, x) => {
    const upper = ranks[w] >= half;
    const level = upper ? ranks[w] - half : half - 1 - ranks[w];
    ++count[level];
    sum[level] += upper ? x : -x;
  });
  // Normal equations in z, z^3, z^5.
  const A = Array.from({ length: 3 }, () => new Array(4).fill(0));
  for (let level = 0; level < half; ++level) {
    const z = quantile((level + 0.5) / half);
    const powers = [z, z ** 3, z ** 5];
    for (let i = 0; i < 3; ++i) {
      for (let j = 0; j < 3; ++j) A[i][j] += count[level] * powers[i] * powers[j];
      A[i][3] += sum[level] * powers[i];
    }
  }
  return { ...code, curve: solve(A).map((x) => Number(x.toPrecision(6))) };
}

/** x of A x = b, A positive definite with b as its last column. */
function solve(A) {
  A.forEach((row, i) => {
    for (let k = i + 1; k < A.length; ++k) {
      const factor = A[k][i] / row[i];
      A[k] = A[k].map((x, j) => x - factor * row[j]);
    }
  });
  const x = [];
  for (let i = A.length - 1; i >= 0; --i) {
    x[i] = (A[i].at(-1) - x.reduce((sum, y, j) => sum + A[i][j] * y, 0)) / A[i][i];
  }
  return x;
}

function search(bits, windowBits, trials, from) {
  const uniform = uniforms(1000 * Number(values.stream) + 16 * windowBits + bits);
  const below = (n) => Math.floor(uniform() * n);
  const k = windowBits;
  const odd = () => {
    // Rows of odd weight: the window's complement then has the level's negative.
    const row = below(2 ** windowBits);
    return parity(row) ? row : row ^ (1 << below(windowBits));
  };
  // Of many bits the few entries past the last level weigh.
  const samples = bits < 7 ? small : large;
  let best;
  let sample = samples[0];
  const attempt = (code) => {
    if (!ranksOf(code, windowBits)) return;
    const error = errorOf(trellisTable(bits, windowBits, code), bits, windowBits, sample);
    if (!best || error < best.error) best = { code, error };
  };
  const curve = [bits < 2 ? 0.85 : 1.05 + 0.03 * bits, 0, 0];
  const any = () => ({ curve, offset: below(2 ** k), rows: Array.from({ length: k }, odd) });
  if (from) attempt(from);
  else for (let trial = 0; trial < 60 || !best; ++trial) attempt(any());
  for (let trial = 1; trial <= trials; ++trial) {
    if (trial % Math.ceil(trials / samples.length) === 0) {
      sample = samples[Math.floor((trial / trials) * samples.length)] ?? sample;
      best.error = errorOf(trellisTable(bits, windowBits, best.code), bits, windowBits, sample);
    }
    const code = { ...best.code, rows: best.code.rows.slice() };
    const { rows } = code;
    const [i, j, l, kind] = [below(k), below(k), below(k), uniform()];
    if (kind < 0.45) rows[i] ^= (1 << below(windowBits)) ^ (1 << below(windowBits));
    else if (kind < 0.65) rows[i] = odd();
    else if (kind < 0.72) [rows[i], rows[j]] = [rows[j], rows[i]];
    else if (kind < 0.82 && i !== j && i !== l) rows[i] ^= rows[j] ^ rows[l];
    else if (kind < 0.94) code.offset ^= 1 << i;
    else code.curve = code.curve.map((x) => x * (1 + 0.06 * (uniform() - 0.5)));
    if (rows.every(parity)) attempt(code);
  }
  return best.code;
}

function parity(x) {
  for (let shift = 16; shift; shift >>= 1) x ^= x >> shift;
  return (x & 1) === 1;
}

const small = [1, 2, 3].map((stream) => normals(stream, 1 << 15));
const large = [1, 2, 3].map((stream) => normals(stream, 1 << 16));
const training = normals(5, 1 << 20);
const fresh = normals(6, 1 << 20);

/** Of 8 bits half of the error is in the few entries past the last level: many are needed to see it. Of few bits short rows take long. */
const sampleFor = (bits, n, { at, values }) => ({
  at,
  values: bits < 7 ? values.subarray(0, Math.min(1 << 19, n << 14)) : values,
});

/** The code that a search ends with. A trial costs in proportion to 2^L. */
const found = (bits, windowBits, stored) =>
  search(
    bits,
    windowBits,
    Math.round(values.evaluations * 2 ** ((10 - windowBits) / 2)),
    values.anew ? undefined : stored,
  );

/** With levels for its own paths. */
function levelled(code, bits, windowBits) {
  for (let round = 0; round < 4; ++round) code = lloyd(code, bits, windowBits, sampleFor(bits, trainingRow, training));
  return code;
}

const isAsked = (bits, windowBits) =>
  Number(values.bits ?? bits) === bits && Number(values.window ?? windowBits) === windowBits;

const lists = [];
for (const windowBits of windows) {
  const codes = [];
  for (let bits = 1; bits <= 8; ++bits) {
    const stored = linearCodes[windowBits][bits - 1];
    if (!isAsked(bits, windowBits)) {
      codes.push({ ...stored, bits });
      continue;
    }
    let code = values.levels || values.measure ? stored : found(bits, windowBits, stored);
    if (!values.measure) code = levelled(code, bits, windowBits);
    const table = trellisTable(bits, windowBits, code);
    const errors = measuredLengths.map((n) => errorOf(table, bits, windowBits, sampleFor(bits, n, fresh), n));
    codes.push({ ...code, bits, errors: errors.map((e) => Number(e.toPrecision(4))) });
    console.log(windowBits, bits, ...errors.map((e) => e.toPrecision(4)), (errors.at(-1) * 4 ** bits).toFixed(3));
  }
  lists.push({ windowBits, codes });
}

const line = ({ bits, rows, offset, curve, errors }) =>
  `    // ${bits} bit${bits > 1 ? "s" : ""}\n    {\n      rows: [${rows.join(", ")}],\n      offset: ${offset},\n      curve: [${curve.join(", ")}],\n      errors: [${errors.join(", ")}],\n    },\n`;
writeFileSync(
  new URL("../src/code-tables.ts", import.meta.url),
  `// Made by scripts/trellis-tables.mjs, which says what the numbers are.

export interface LinearCode {
  /** M, first row first: bit j of a row belongs to bit j of the window. */
  readonly rows: readonly number[];
  readonly offset: number;
  /** The levels above 0 are z (a + b z^2 + c z^4), z quantiles. */
  readonly curve: readonly [number, number, number];
  /** Mean squared error on normal entries, rows of \`measuredLengths\` entries. */
  readonly errors: readonly number[];
}

export const measuredLengths = [${measuredLengths.join(", ")}];

/** By bits of the window; one code each for 1 to 8 bits. */
export const linearCodes: Readonly<Record<${windows.join(" | ")}, readonly LinearCode[]>> = {
${lists.map(({ windowBits, codes }) => `  ${windowBits}: [\n${codes.map(line).join("")}  ],\n`).join("")}};
`,
);
