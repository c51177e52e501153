/**
 * Pearson's correlation coefficient, from -1 to 1, as scipy.stats.pearsonr. NaN where either side is constant (among the rows that count),
 * has a value that is not finite, or there are fewer than two rows: a correlation is not defined there.
 * Cost: two passes.
 */
export function pearson(x: ArrayLike<number>, y: ArrayLike<number>, rows?: ArrayLike<number>): number {
  const count = rows?.length ?? x.length;
  const first = rows ? rows[0] : 0;
  let sumX = 0;
  let sumY = 0;
  let isConstantX = true;
  let isConstantY = true;
  for (let i = 0; i < count; ++i) {
    const row = rows ? rows[i] : i;
    sumX += x[row];
    sumY += y[row];
    if (x[row] !== x[first]) isConstantX = false;
    if (y[row] !== y[first]) isConstantY = false;
  }
  // Means are rounded: a constant side would have deviations of rounding errors.
  if (isConstantX || isConstantY) return NaN;
  const meanX = sumX / count;
  const meanY = sumY / count;
  let xx = 0;
  let yy = 0;
  let xy = 0;
  for (let i = 0; i < count; ++i) {
    const row = rows ? rows[i] : i;
    const dx = x[row] - meanX;
    const dy = y[row] - meanY;
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  return Math.max(-1, Math.min(1, xy / Math.sqrt(xx) / Math.sqrt(yy)));
}
