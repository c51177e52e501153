// A table in transform codes, decoded again.
//
// usage: node bench/measure/codes.mjs TABLE.f32 ROWS COLS OUT.f32 '{"bytes": ...}' [WEIGHTS.f64]
import { readFileSync, writeFileSync } from "node:fs";
const { createLoewner, transformRows } = await import(process.env.LIB ?? "../../dist/index.js");

const [table, rows, cols, out, options, weights] = process.argv.slice(2);
const bytesOf = (file) => new Uint8Array(readFileSync(file)).buffer;
const a = { data: new Float32Array(bytesOf(table)), rows: Number(rows), cols: Number(cols) };
const loewner = await createLoewner({ threads: 1 });
const rowWeights = weights && new Float64Array(bytesOf(weights));
const { code, ...report } = await loewner.transformCode(a, { ...JSON.parse(options), rowWeights });
const decoded = transformRows(code);
const pieces = [];
for (let start = 0; start < a.rows; start += 1024) {
  pieces.push(await decoded.read(start, Math.min(1024, a.rows - start)));
}
writeFileSync(out, Buffer.concat(pieces.map((piece) => Buffer.from(piece))));
const { error, predictedError, byteLength, bits, exactRows } = report;
console.log(JSON.stringify({ error, predictedError, byteLength, bits: [...bits], exactRows: exactRows.length }));
await loewner.dispose();
