// Aligned columns on the terminal; the page of all results (page.mjs) takes the same tables.
const parts = [];

export function print(title, rows) {
  parts.push({ title, rows });
  const widths = rows[0].map((_, c) => Math.max(...rows.map((row) => String(row[c]).length)));
  console.log(`\n${title}`);
  for (const row of rows)
    console.log(`  ${row.map((x, c) => (c ? String(x).padStart(widths[c]) : String(x).padEnd(widths[c]))).join("  ")}`);
}

/** A sentence below the table before it. */
export function note(text) {
  parts.push({ text });
  console.log(`  ${text}`);
}

/** What was printed since the last call: { title, rows } or { text }. */
export const takeParts = () => parts.splice(0);

/** Seconds, with three digits that mean something. */
export const seconds = (s) => (Number.isFinite(s) ? (s < 1 ? s.toPrecision(3) : s.toFixed(2)) : "-");
