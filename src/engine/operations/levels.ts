// Levels that scales of rows are rounded to.

/** The level nearest to x, not below level `first`; the lower one of two. */
export function nearestLevel(levels: Float64Array, x: number, first: number): number {
  let [low, high] = [first, levels.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x > (levels[middle] + levels[middle + 1]) / 2) low = middle + 1;
    else high = middle;
  }
  return low;
}
