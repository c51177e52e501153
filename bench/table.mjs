// Aligned columns.
export function print(title, rows) {
  const widths = rows[0].map((_, c) => Math.max(...rows.map((row) => String(row[c]).length)));
  console.log(`\n${title}`);
  for (const row of rows)
    console.log(`  ${row.map((x, c) => (c ? String(x).padStart(widths[c]) : String(x).padEnd(widths[c]))).join("  ")}`);
}
