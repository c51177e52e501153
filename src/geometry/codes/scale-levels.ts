// At most 256 levels for the scales of rows: Lloyd, Least squares quantization in PCM (1982), in one dimension.

const rounds = 30;

/**
 * Levels of least squared distance to the values that are above 0, ascending, in f32, `most` of them or fewer: the values themselves where
 * these are no more. Else half of them start at quantiles and half evenly spaced, so that few far values are met too. Cost: a sort, and
 * `rounds` searches a level.
 */
export function scaleLevels(values: Float64Array, most: number): Float32Array {
  const sorted = values.filter((x) => x > 0).sort();
  const n = sorted.length;
  if (n === 0) return Float32Array.of(1);
  const exact = new Set(Float32Array.from(sorted));
  if (exact.size <= most) return Float32Array.from(exact);
  const sums = new Float64Array(n + 1);
  for (let i = 0; i < n; ++i) sums[i + 1] = sums[i] + sorted[i];
  const [low, high] = [sorted[0], sorted[n - 1]];
  let levels = Float64Array.from({ length: most }, (_, k) => {
    const share = Math.floor(k / 2) / Math.max(1, Math.ceil(most / 2) - 1);
    return k % 2 ? low + share * (high - low) : sorted[Math.round(share * (n - 1))];
  }).sort();
  for (let round = 0; round < rounds; ++round) {
    let from = 0;
    const next: number[] = [];
    for (let k = 0; k < levels.length; ++k) {
      const to = k + 1 < levels.length ? countUpTo(sorted, (levels[k] + levels[k + 1]) / 2, from) : n;
      if (to > from) next.push((sums[to] - sums[from]) / (to - from));
      from = to;
    }
    levels = Float64Array.from(next);
  }
  return Float32Array.from(new Set(Float32Array.from(levels)));
}

/** How many of the sorted values are at most x; the first `from` are. */
function countUpTo(sorted: Float64Array, x: number, from: number): number {
  let [low, high] = [from, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= x) low = middle + 1;
    else high = middle;
  }
  return low;
}
