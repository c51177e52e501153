// An embedding-like matrix by a fixed seed: low rank plus noise, norms that grow for rare tokens (Zipf), heavy tails, and a
// few outlier rows far from everything. And how often each token occurs.

/** Counter-based: the i-th number of a stream depends on (seed, i) alone (the finaliser of MurmurHash3). Uniform in (0, 1). */
export function uniform(seed, i) {
  let h = Math.imul(i ^ Math.imul(seed + 1, 0x9e3779b1), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32 + 2 ** -33;
}

/** Nearly normal, variance 1: the sum of four uniforms. Arithmetic alone, so the same in every engine. */
const bell = (seed, i) =>
  (uniform(seed, 4 * i) + uniform(seed, 4 * i + 1) + uniform(seed, 4 * i + 2) + uniform(seed, 4 * i + 3) - 2) *
  Math.sqrt(3);

export function embedding({ rows = 8192, cols = 256, rank = 96, seed = 1 } = {}) {
  const directions = Float64Array.from({ length: rank * cols }, (_, i) => bell(seed, i));
  const data = new Float32Array(rows * cols);
  const counts = new Float32Array(rows);
  const row = new Float64Array(cols);
  for (let i = 0; i < rows; ++i) {
    counts[i] = Math.ceil((20 * rows) / (i + 1));
    row.fill(0);
    for (let k = 0; k < rank; ++k) {
      const weight = bell(seed + 1, i * rank + k) / (k + 8);
      for (let j = 0; j < cols; ++j) row[j] += weight * directions[k * cols + j];
    }
    // Heavy tail: norms like the inverse square root of a uniform number; rare tokens are a little longer.
    const length = (0.5 + i / rows) / Math.sqrt(uniform(seed + 2, i));
    const outlier = i % 50 === 49;
    for (let j = 0; j < cols; ++j) {
      const value = row[j] + 0.12 * bell(seed + 3, i * cols + j);
      // Two rows in a hundred lie anywhere: reserved tokens, artefacts of training.
      data[i * cols + j] = outlier ? 12 * bell(seed + 4, i * cols + j) : length * value;
    }
  }
  return { data, rows, cols, counts };
}
