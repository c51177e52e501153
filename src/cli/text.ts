// Numbers and tables for people.

/** Columns padded to their widest cell: the first left, the others right, unless `left` names them. */
export function table(rows: string[][], left: readonly number[] = [0]): string {
  const widths = rows[0].map((_, c) => Math.max(...rows.map((row) => row[c].length)));
  return rows
    .map((row) =>
      row
        .map((cell, c) => (left.includes(c) ? cell.padEnd(widths[c]) : cell.padStart(widths[c])))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/**
 * What a terminal shows as it stands: names come from files of strangers, and a control character among them could move the cursor, or
 * say what was never printed. Line ends and tabs stay.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (char) =>
    char === "\n" || char === "\t" ? char : `\\u{${char.codePointAt(0)!.toString(16)}}`,
  );
}

/** MB = 10^6 bytes. */
export function megabytes(bytes: number): string {
  return bytes < 1e5 ? `${bytes} B` : `${(bytes / 1e6).toFixed(2)} MB`;
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** Five significant digits. */
export function number(x: number): string {
  if (x === 0) return "0";
  return Math.abs(x) >= 1e6 || Math.abs(x) < 1e-3 ? x.toExponential(3) : x.toPrecision(5);
}
