// An embedding table of a vector store, smaller: nearest rows by cosine are found in the factors, without multiplying them out.
// right has orthonormal rows, so q's product with row i is left_i . (right q), and the row's length that of left_i.
import { createLoewner, decodeRows } from "loewner";
import { embedding, uniform } from "./embedding.mjs";

const [queries, nearest] = [200, 10];
const { data, rows, cols } = embedding({ rows: 6000, cols: 128, rank: 48 });
const table = { data, rows, cols };

/** Each query is near some row, as a question is near its answer. */
function query(number) {
  const row = Math.floor(uniform(90, number) * rows);
  const length = Math.hypot(...data.subarray(row * cols, (row + 1) * cols));
  return Float32Array.from({ length: cols }, (_, j) => {
    return data[row * cols + j] / length + (uniform(91, number * cols + j) - 0.5) / Math.sqrt(cols);
  });
}

/** The rows of a matrix that are nearest by cosine, best first. */
function search({ data, rows, cols }, direction) {
  const scores = new Float64Array(rows);
  for (let i = 0; i < rows; ++i) {
    let [product, square] = [0, 0];
    for (let j = 0; j < cols; ++j) {
      const entry = data[i * cols + j];
      product += entry * direction[j];
      square += entry * entry;
    }
    scores[i] = product / Math.sqrt(square || 1);
  }
  return Array.from(scores.keys())
    .sort((a, b) => scores[b] - scores[a])
    .slice(0, nearest);
}

/** right q: a query among the rows of left. */
const project = ({ data, rows, cols }, q) =>
  Float64Array.from({ length: rows }, (_, k) => q.reduce((sum, x, j) => sum + x * data[k * cols + j], 0));

const all = Array.from({ length: queries }, (_, number) => query(number));
const exact = all.map((q) => new Set(search(table, q)));

function recall(find) {
  const found = all.map((q, number) => find(q).filter((row) => exact[number].has(row)).length);
  return found.reduce((sum, count) => sum + count) / (queries * nearest);
}

const report = (name, bytes, find) =>
  console.log(`${name.padEnd(28)} ${String(bytes).padStart(8)} bytes   recall@${nearest} ${recall(find).toFixed(3)}`);

const loewner = await createLoewner({ threads: "auto" });
report("table, f32", data.byteLength, (q) => search(table, q));
for (const [name, p, method] of [
  ["factors of SVD, f32", 2, "svd"],
  ["factors by p = 1, f32", 1, "lewis"],
]) {
  const { left, right } = await loewner.lowRank(table, { keep: 0.5, p, method });
  report(name, left.data.byteLength + right.data.byteLength, (q) => search(left, project(right, q)));
  if (p !== 1) continue;
  for (const bits of [8, 4]) {
    const coded = await loewner.quantise(table, { right, bits, scale: "least-squares" });
    const [L, R] = [coded.left, coded.right].map((each) => ({ ...each, data: decodeRows(each, 0, each.rows) }));
    report(`the same in ${bits} bits`, coded.byteLength, (q) => search(L, project(R, q)));
  }
}
loewner.dispose();
