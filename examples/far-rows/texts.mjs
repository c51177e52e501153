// A classifier of texts whose right answers are known, by a fixed seed: a table of token vectors, a read-out, texts and labels.
//
// What a token means is a point in a space of 24 directions; their importance falls off as 1 / (1 + j / 8). Its vector is that point
// in 128 dimensions, plus noise. A text is a bag of tokens, frequent ones more often, and its label is the class that the sum of
// its tokens' meanings agrees with most. The mean of a text's vectors and one linear layer find it but for the noise: as a
// trained model would, this one errs on some texts.
//
// Far rows are reserved tokens that no text uses: random directions, at least five times as long as the others, with a heavy tail
// (lengths as the inverse root of a uniform number have no finite variance). No answer depends on them.
import { uniform } from "../embedding.mjs";

/** Nearly normal, variance 1. Arithmetic alone, so the same in every engine. */
const bell = (seed, i) =>
  (uniform(seed, 4 * i) + uniform(seed, 4 * i + 1) + uniform(seed, 4 * i + 2) + uniform(seed, 4 * i + 3) - 2) *
  Math.sqrt(3);

const meanings = 24;
/** In units of noise of variance 1: with 128 columns, at least five times the length of an ordinary row. */
const farLength = 1.2;
const noiseLevel = 0.12;

/**
 * @param farShare share of the rows that are far; 0 leaves the rest as it is
 * @returns table (rows x cols, f32) and readOut (cols x classes, f32), row-major; ids (count x length, int64) and labels (count) of
 *   the texts; isFar(token) for the rows that no text uses
 */
export function classifier({ rows = 8000, cols = 128, classes = 4, farShare = 0.02, seed = 1 } = {}) {
  const directions = orthonormal(meanings, cols, seed);
  const wanted = Float64Array.from({ length: classes * meanings }, (_, i) => bell(seed + 1, i));
  const meaning = new Float64Array(rows * meanings);
  const table = new Float32Array(rows * cols);
  const every = farShare > 0 ? Math.round(1 / farShare) : Infinity;
  const isFar = (token) => token % every === every - 1;
  for (let i = 0; i < rows; ++i) {
    for (let j = 0; j < meanings; ++j) {
      meaning[i * meanings + j] = (bell(seed + 2, i * meanings + j) * (0.75 + i / rows / 2)) / (1 + j / 8);
    }
    const far = isFar(i) ? farLength / Math.sqrt(uniform(seed + 3, i)) : 0;
    for (let c = 0; c < cols; ++c) {
      const noise = bell(seed + 4, i * cols + c);
      let value = noiseLevel * noise;
      for (let j = 0; j < meanings; ++j) value += meaning[i * meanings + j] * directions[j * cols + c];
      table[i * cols + c] = far ? far * noise : value;
    }
  }
  const readOut = new Float32Array(cols * classes);
  for (let c = 0; c < cols; ++c) {
    for (let k = 0; k < classes; ++k) {
      let sum = 0;
      for (let j = 0; j < meanings; ++j) sum += wanted[k * meanings + j] * directions[j * cols + c];
      readOut[c * classes + k] = sum;
    }
  }
  return { table, rows, cols, readOut, classes, isFar, ...texts({ rows, classes, seed, isFar, meaning, wanted }) };
}

/** Texts (count x length token ids) and their labels. */
function texts({ rows, classes, seed, isFar, meaning, wanted, count = 4000, length = 16 }) {
  const ids = new BigInt64Array(count * length);
  const labels = new Uint8Array(count);
  for (let t = 0, draw = 0; t < count; ++t) {
    const sum = new Float64Array(meanings);
    for (let at = 0; at < length;) {
      const u = uniform(seed + 5, draw++);
      const token = Math.floor(rows * u * u); // frequent tokens come first
      if (isFar(token)) continue;
      ids[t * length + at++] = BigInt(token);
      for (let j = 0; j < meanings; ++j) sum[j] += meaning[token * meanings + j];
    }
    let best = -Infinity;
    for (let k = 0; k < classes; ++k) {
      const score = sum.reduce((total, x, j) => total + x * wanted[k * meanings + j], 0);
      if (score > best) [best, labels[t]] = [score, k];
    }
  }
  return { ids, labels, count, length };
}

/** `count` orthonormal rows of `cols` numbers, by Gram and Schmidt. */
function orthonormal(count, cols, seed) {
  const rows = Float64Array.from({ length: count * cols }, (_, i) => bell(seed, i));
  for (let j = 0; j < count; ++j) {
    const row = rows.subarray(j * cols, (j + 1) * cols);
    for (let i = 0; i < j; ++i) {
      const other = rows.subarray(i * cols, (i + 1) * cols);
      const along = row.reduce((sum, x, c) => sum + x * other[c], 0);
      for (let c = 0; c < cols; ++c) row[c] -= along * other[c];
    }
    const norm = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0));
    for (let c = 0; c < cols; ++c) row[c] /= norm;
  }
  return rows;
}
