// node scripts/trellis-tables.mjs [--evaluations 160]      finds the codes of src/code-tables.ts, and writes it (minutes)
// node scripts/trellis-tables.mjs --measure                 measures the errors of those that are there (minutes)
//
// A code is linear: window w has the level g[M w xor a], M a binary matrix of k rows, g 2^k levels, ascending and odd (the highest rank
// bit is the first row's). So a window of 2^L states needs k numbers and 2^(k-1) levels. It is what Ungerboeck's codes and trellis-coded
// quantisation after them are, but with far more levels than 2^(bits + 1): those shape the path to the normal distribution.
//
// Search   climbing over M and a from the best of some random ones, by the error on one sample; three samples one after another, so
//          that none is learnt by heart
// Levels   quantiles of a normal distribution, of a spread that is climbed over too; Lloyd along the trellis on another sample,
//          (Linde, Buzo, Gray 1980), tried every 40 trials
// Errors   on samples of their own, rows of `measuredLengths` entries
// Numbers  by seed, from the kernel; as many trials as asked, whatever the clock says
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { withFrame } from "../build/lib/kernel/frame.js";
import { inlinedKernel } from "../build/lib/kernel/inlined.js";
import { Kernel } from "../build/lib/kernel/load.js";
import { linearCodes } from "../build/lib/code-tables.js";
import { trellisTable } from "../build/lib/code-trellis.js";
import { f32ToF16 } from "../build/lib/formats/half.js";

const { values } = parseArgs({
  options: { evaluations: { type: "string", default: "160" }, measure: { type: "boolean" } },
});
const evaluations = Number(values.evaluations);
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
    call.trellisEncode(codes, sums, at, rows, n, n, bits, windowBits, y, work);
    if (visit) {
      const out = frame.bytes(4 * entries.length);
      // A table that holds its own places tells the window.
      kernel.f32(y, table.length).set(table.keys());
      call.trellisDecode(out, codes, rows, n, bits, windowBits, y, 0);
      kernel.f32(out, entries.length).forEach((w, i) => visit(w, entries[i]));
    }
    return kernel.f64(sums, 3 * rows).reduce((sum, x, i) => (i % 3 ? sum : sum + x), 0) / entries.length;
  });
}

const cdf = (x) => {
  // Marsaglia, Evaluating the normal distribution (2004): good to rounding where it is asked here.
  let [sum, term] = [x, x];
  for (let k = 3; k < 400; k += 2) sum += term *= (x * x) / k;
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
};

/** The middles of 2^k intervals of equal probability. */
function quantiles(k) {
  return Float64Array.from({ length: 2 ** k }, (_, i) => {
    let [low, high] = [-6, 6];
    for (let turn = 0; turn < 60; ++turn) {
      const middle = (low + high) / 2;
      if (cdf(middle) < (i + 0.5) / 2 ** k) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
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

const tableOf = (code, ranks) => Float32Array.from(ranks, (rank) => code.levels[rank] * code.spread);

/** The code with the levels that are best for the paths on `sample`. */
function lloyd(code, ranks, bits, windowBits, sample) {
  const { length } = code.levels;
  const [count, sum] = [new Float64Array(length), new Float64Array(length)];
  errorOf(tableOf(code, ranks), bits, windowBits, sample, trainingRow, (w, x) => {
    ++count[ranks[w]];
    sum[ranks[w]] += x;
  });
  const levels = code.levels.map((y, i) => {
    const [j, both] = [length - 1 - i, count[i] + count[length - 1 - i]];
    return both ? (sum[i] - sum[j]) / both : y * code.spread;
  });
  return { ...code, levels, spread: 1 };
}

function search(bits, windowBits, trials, samples, learning) {
  const uniform = uniforms(1000 + 16 * windowBits + bits);
  const below = (n) => Math.floor(uniform() * n);
  const k = Math.min(bits + (bits <= 4 ? 4 : 3), windowBits);
  const odd = () => {
    // Rows of odd weight: the window's complement then has the level's negative.
    const row = below(2 ** windowBits);
    return parity(row) ? row : row ^ (1 << below(windowBits));
  };
  const start = { levels: quantiles(k), spread: bits < 2 ? 0.85 : 1.05 + 0.03 * bits };
  let best;
  let sample = samples[0];
  const attempt = (code) => {
    const ranks = ranksOf(code, windowBits);
    if (!ranks) return;
    const error = errorOf(tableOf(code, ranks), bits, windowBits, sample);
    if (!best || error < best.error) best = { code, ranks, error };
  };
  while (!best) attempt({ ...start, offset: below(2 ** k), rows: Array.from({ length: k }, odd) });
  for (let trial = 0; trial < 60; ++trial) {
    attempt({ ...start, offset: below(2 ** k), rows: Array.from({ length: k }, odd) });
  }
  for (let trial = 1; trial <= trials; ++trial) {
    if (trial % Math.ceil(trials / samples.length) === 0) {
      sample = samples[Math.floor((trial / trials) * samples.length)] ?? sample;
      best.error = errorOf(tableOf(best.code, best.ranks), bits, windowBits, sample);
    }
    if (trial % 40 === 0) {
      attempt(lloyd(best.code, best.ranks, bits, windowBits, learning));
      continue;
    }
    const code = { ...best.code, rows: best.code.rows.slice() };
    const { rows } = code;
    const [i, j, l, kind] = [below(k), below(k), below(k), uniform()];
    if (kind < 0.45) rows[i] ^= (1 << below(windowBits)) ^ (1 << below(windowBits));
    else if (kind < 0.65) rows[i] = odd();
    else if (kind < 0.72) [rows[i], rows[j]] = [rows[j], rows[i]];
    else if (kind < 0.82 && i !== j && i !== l) rows[i] ^= rows[j] ^ rows[l];
    else if (kind < 0.94) code.offset ^= 1 << i;
    else code.spread *= 1 + 0.06 * (uniform() - 0.5);
    if (rows.every(parity)) attempt(code);
  }
  return best;
}

function parity(x) {
  for (let shift = 16; shift; shift >>= 1) x ^= x >> shift;
  return (x & 1) === 1;
}

const samples = [1, 2, 3].map((stream) => normals(stream, 1 << 15));
const learning = normals(4, 1 << 17);
const training = normals(5, 1 << 20);
const fresh = normals(6, 1 << 21);

/** Of 8 bits half of the error is in the few entries past the last level: many are needed to see it. Of few bits short rows take long. */
function sampleFor(bits, n) {
  const count = bits < 7 ? Math.min(fresh.values.length, n << 15) : fresh.values.length;
  return { at: fresh.at, values: fresh.values.subarray(0, count) };
}

/** The code that a search ends with, as it is stored: halves, of which the lower are the upper ones mirrored. */
function found(bits, windowBits) {
  // A trial costs in proportion to 2^L.
  const trials = Math.round(evaluations * 2 ** ((10 - windowBits) / 2));
  let { code, ranks } = search(bits, windowBits, trials, samples, learning);
  for (let round = 0; round < 4; ++round) code = lloyd(code, ranks, bits, windowBits, training);
  const upper = f32ToF16(Float32Array.from(code.levels.slice(code.levels.length / 2)));
  const levels = [...upper].map((half) => half.toString(16).padStart(4, "0")).join("");
  return { rows: code.rows, offset: code.offset, levels };
}

const lists = [];
for (const windowBits of windows) {
  const codes = [];
  for (let bits = 1; bits <= 8; ++bits) {
    const { rows, offset, levels } = values.measure ? linearCodes[windowBits][bits - 1] : found(bits, windowBits);
    const table = trellisTable(bits, windowBits, { rows, offset, levels });
    const errors = measuredLengths.map((n) => errorOf(table, bits, windowBits, sampleFor(bits, n), n));
    codes.push({ bits, rows, offset, levels, errors: errors.map((e) => Number(e.toPrecision(4))) });
    console.log(windowBits, bits, ...errors.map((e) => e.toPrecision(4)), (errors.at(-1) * 4 ** bits).toFixed(3));
  }
  lists.push({ windowBits, codes });
}

const line = ({ bits, rows, offset, levels, errors }) =>
  `    // ${bits} bit${bits > 1 ? "s" : ""}\n    {\n      rows: [${rows.join(", ")}],\n      offset: ${offset},\n      levels:\n        "${levels}",\n      errors: [${errors.join(", ")}],\n    },\n`;
writeFileSync(
  new URL("../src/code-tables.ts", import.meta.url),
  `// Made by scripts/trellis-tables.mjs, which says what the numbers are.

export interface LinearCode {
  /** M, first row first: bit j of a row belongs to bit j of the window. */
  readonly rows: readonly number[];
  readonly offset: number;
  /** The upper half of the levels, ascending: four hexadecimal digits each, the bits of a number in half precision. */
  readonly levels: string;
  /** Mean squared error on normal entries, rows of \`measuredLengths\` entries. */
  readonly errors: readonly number[];
}

export const measuredLengths = [${measuredLengths.join(", ")}];

/** By bits of the window; one code each for 1 to 8 bits. */
export const linearCodes: Readonly<Record<${windows.join(" | ")}, readonly LinearCode[]>> = {
${lists.map(({ windowBits, codes }) => `  ${windowBits}: [\n${codes.map(line).join("")}  ],\n`).join("")}};
`,
);
