/** Mean of figures that there is one of a row: losses, recalls of queries. NaN without rows. Cost: one pass. */
export function mean(values: ArrayLike<number>, rows?: ArrayLike<number>): number {
  const count = rows?.length ?? values.length;
  let sum = 0;
  for (let i = 0; i < count; ++i) sum += values[rows ? rows[i] : i];
  return sum / count;
}
