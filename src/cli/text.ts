// Numbers and tables for people.
import { printable } from "../errors.js";

/** Lines of columns padded to their widest cell: the first left, the others right, unless `left` names them. */
export function table(texts: string[][], left: readonly number[] = [0]): string[] {
  const rows = texts.map((row) => row.map(printable));
  const widths = rows[0].map((_, c) => Math.max(...rows.map((row) => row[c].length)));
  return rows.map((row) =>
    row
      .map((cell, c) => (left.includes(c) ? cell.padEnd(widths[c]) : cell.padStart(widths[c])))
      .join("  ")
      .trimEnd(),
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
