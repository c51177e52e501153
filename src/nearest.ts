// The name that somebody probably meant.

/** The name that takes the fewest letters put in, left out or exchanged; undefined where none is near. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  const lower = word.toLowerCase();
  const distances = names.map((name) => {
    const other = name.toLowerCase();
    const isPart = lower.length > 2 && (other.startsWith(lower) || lower.startsWith(other));
    return Math.min(isPart ? 1 : Infinity, lettersApart(lower, other));
  });
  const least = Math.min(...distances);
  return least < word.length && least <= Math.max(1, word.length / 3) ? names[distances.indexOf(least)] : undefined;
}

/** Levenshtein's distance, two neighbours exchanged counting once. */
function lettersApart(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; ++i) {
    const row = [i];
    for (let j = 1; j <= b.length; ++j) {
      const changed = above[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(changed, above[j] + 1, row[j - 1] + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j], before[j - 2] + 1);
    }
    [before, above] = [above, row];
  }
  return above[b.length];
}
