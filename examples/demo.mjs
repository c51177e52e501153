// npm start: a matrix like an embedding table, compressed by SVD and by the l_1 method to the same size.
// An argument names the output folder; what is in it under the same names is overwritten.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createLoewner } from "../dist/index.js";
import {
  bytesSource,
  decodeNumbers,
  memorySink,
  openSafetensors,
  tensorRows,
  writeNpy,
  writeSafetensors,
} from "../dist/formats/index.js";
import { compressModel, safetensorsModel } from "../dist/model/index.js";
import { embedding } from "./embedding.mjs";

const keep = 0.5;
const name = "embeddings.word_embeddings.weight";
const folder = process.argv[2] ?? "demo-output";
const path = (file) => join(folder, file);
await mkdir(folder, { recursive: true });

const { data, rows, cols, counts } = embedding();
const bytes = new Uint8Array(data.buffer);
const table = { name, dtype: "F32", shape: [rows, cols], byteLength: bytes.length, chunks: () => [bytes] };
await save("model.safetensors", writeSafetensors, { tensors: [table] });
await save("counts.npy", writeNpy, { data: counts, shape: [rows] });

const loewner = await createLoewner();
const model = safetensorsModel(await open("model.safetensors"));
const lines = [["method", "bytes", "l_1", "l_2,1", "l_2", "worst row", "ordinary row", "certified bound", "seconds"]];
for (const [label, method, file] of [
  ["SVD", "svd", "svd.safetensors"],
  ["Lewis, p=1", "lewis", "l1.safetensors"],
]) {
  const compressed = await compressModel(loewner, model, { keep, p: 1, method });
  await save(file, (sink) => compressed.files[0].write(sink));
  const [{ objective, certificate, seconds }] = compressed.layers;
  const { l1, l21, l2, worstRow } = objective;
  const errors = [l1, l21, l2, worstRow.norm, await ordinaryRow(file), certificate.bound];
  lines.push([label, compressed.bytesAfter, ...errors.map((x) => Number(x.toPrecision(4))), seconds.toFixed(2)]);
}
loewner.dispose();

const widths = lines[0].map((_, c) => Math.max(...lines.map((line) => String(line[c]).length)));
const aligned = (cell, c) => (c ? String(cell).padStart(widths[c]) : cell.padEnd(widths[c]));
console.log(`${name}: ${rows} x ${cols}, f32, ${bytes.length} bytes; the factors keep ${100 * keep} %

${lines.map((line) => line.map(aligned).join("  ")).join("\n")}

Two rows in a hundred lie far from all others: SVD (best in l_2) spends its rank on them, the l_1
method lets them go (worst row, l_2) and comes closer to everything else.
  ordinary row     median over all rows of |row of A - left right|_2
  certified bound  |(A - left right) x|_1 <= bound |x|_2 for every x, proved for this matrix

Files: ${["model.safetensors", "svd.safetensors", "l1.safetensors", "counts.npy"].map(path).join("\n       ")}
Next:  node dist/cli/main.js inspect ${path("model.safetensors")}
       node dist/cli/main.js verify ${path("model.safetensors")} ${path("l1.safetensors")}
       node dist/cli/main.js compress YOUR.onnx -o small.onnx --keep 0.5 --verify
       npm run far-rows          the same on a model: answers right, by SVD and by p = 1`);

async function save(file, write, content) {
  const sink = memorySink();
  await write(sink, content);
  await writeFile(path(file), sink.bytes());
}

async function open(file) {
  const bytes = new Uint8Array(await readFile(path(file))); // not a Buffer, whose slice() is no copy
  return openSafetensors(bytesSource(bytes, path(file)));
}

/** Median 2-norm of the rows of A - left right, from the file that was written. */
async function ordinaryRow(file) {
  const factors = await open(file);
  const left = tensorRows(factors, `${name}.left`); // rows x rank, read by ranges
  const right = tensorRows(factors, `${name}.right`); // rank x cols
  const R = { data: decodeNumbers(await right.read(0, right.rows), right.dtype), rows: right.rows, cols };
  const norms = new Float64Array(rows);
  await loewner.multiply({ left, right: R }, (start, tile) => {
    for (let at = 0; at < tile.length; ++at) {
      const residual = data[start * cols + at] - tile[at];
      norms[start + Math.floor(at / cols)] += residual * residual;
    }
  });
  return Math.sqrt(norms.sort()[rows >> 1]);
}
