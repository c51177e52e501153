// A table in few bits by every way there is: squared error beside the square of the table, against bytes. Shannon's bound is R(D) of
// normal rows with the table's spectrum, by reverse water-filling: no centre, axes or scales are stored for it.
import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { codedBytes, createLoewner, quantisationError } from "../dist/index.js";
import { bytesSource, openNpy } from "../dist/formats/index.js";
import { readRows } from "../build/lib/matrix.js";
import { tall } from "./matrix.mjs";
import { plot } from "./plot.mjs";
import { note, print } from "./table.mjs";

const shares = [0.141, 0.11, 0.09, 0.072, 0.054, 0.036, 0.024];
const keeps = [0.9, 0.72, 0.5, 0.3, 0.15];
const widths = [8, 4, 3, 2];

/** With `matrix`, an .npy file, lines are written to docs/codes.svg as well. */
export async function tableCodes({ matrix: [file] = [], rows, cols, threads = 2 }) {
  const source = file ? await openNpy(bytesSource(readFileSync(file), file)) : tall({ rows, cols });
  const a = { data: "read" in source ? await readRows(source) : source.data, rows: source.rows, cols: source.cols };
  const name = `${file ? `${basename(file, ".npy")}, ` : ""}${a.rows} x ${a.cols}`;
  const loewner = await createLoewner({ threads });
  try {
    const lines = await measure(loewner, a, name);
    if (!file) return;
    const to = new URL("../docs/codes.svg", import.meta.url);
    const title = `${name.replace("x", "×")}: squared error against bytes`;
    writeFileSync(to, plot(lines, { title, x: "share of the bytes of f32", y: "relative squared error" }));
    console.log(`\nWritten: ${fileURLToPath(to)}`);
  } finally {
    loewner.dispose();
  }
}

async function measure(loewner, a, name) {
  const { data, rows, cols } = a;
  const whole = 4 * rows * cols;
  const square = data.reduce((sum, x) => sum + x * x, 0);
  const bound = boundOf(await loewner.singularValues(centred(a)), square, rows);
  const values = await loewner.singularValues(a);
  const tails = Array.from({ length: cols + 1 }, (_, k) => values.slice(k).reduce((sum, x) => sum + x * x, 0) / square);

  const codes = [];
  const pairs = [];
  const table = [["share", "transform codes", "predicted", "bytes beside R(D)", "seconds", "pair in few bits", "R(D)"]];
  for (const share of shares) {
    const bytes = share * whole;
    const { error, predictedError, byteLength, seconds } = await loewner.transformCode(a, { bytes: Math.floor(bytes) });
    codes.push([byteLength / whole, error]);
    const { rank, bits } = bestPair(a, tails, bytes);
    const { right } = await loewner.lowRank(a, { rank, p: 2, method: "svd", left: false });
    const pair = await loewner.quantise(a, { right, bits, p: 2, scale: "least-squares" });
    pairs.push([pair.byteLength / whole, pair.objective.l2 ** 2 / square]);
    table.push([
      share,
      error.toPrecision(3),
      predictedError.toPrecision(3),
      (byteLength / bound.bytesAt(error)).toFixed(3),
      seconds.toFixed(1),
      `${pairs.at(-1)[1].toPrecision(3)} (rank ${rank}, ${bits} bits)`,
      bound.errorAt(bytes).toPrecision(3),
    ]);
  }
  print(`Relative squared error of ${name}`, table);
  note("Pairs: left of that rank in so many bits, right in 8, where its spectrum foretells the least error.");

  const dense = [];
  for (const bits of widths) {
    const { objective, byteLength } = await loewner.quantise(a, { bits, p: 2, scale: "least-squares" });
    dense.push([byteLength / whole, objective.l2 ** 2 / square]);
  }
  const rising = ([x], [y]) => x - y;
  const svd = keeps.map((keep) => [keep, tails[Math.floor((keep * rows * cols) / (rows + cols))]]);
  const theory = shares.map((share) => [share, bound.errorAt(share * whole)]);
  return [
    { name: "transform codes", points: codes.sort(rising), bold: true },
    { name: "low rank x few bits", points: pairs.sort(rising) },
    { name: "Shannon's bound", points: theory.sort(rising) },
    { name: "8, 4, 3, 2 bits", points: dense.sort(rising) },
    { name: "SVD in f32", points: svd.sort(rising) },
  ];
}

/** The rows without their mean. */
function centred({ data, rows, cols }) {
  const mean = new Float64Array(cols);
  data.forEach((x, i) => (mean[i % cols] += x / rows));
  return { data: Float32Array.from(data, (x, i) => x - mean[i % cols]), rows, cols };
}

/** D(R) and R(D) of rows with these singular values, relative to `square`, the table's own with its mean. */
function boundOf(singularValues, square, rows) {
  const variances = Array.from(singularValues, (x) => (x * x) / square);
  const at = (level) => ({
    error: variances.reduce((sum, v) => sum + Math.min(v, level), 0),
    bytes: (rows / 8) * variances.reduce((sum, v) => sum + Math.max(0, Math.log2(v / level) / 2), 0),
  });
  const solve = (isAbove) => {
    let [low, high] = [1e-12, 1];
    for (let i = 0; i < 100; ++i) {
      const middle = Math.sqrt(low * high);
      if (isAbove(at(middle))) high = middle;
      else low = middle;
    }
    return at(low);
  };
  return {
    errorAt: (bytes) => solve((point) => point.bytes < bytes).error,
    bytesAt: (error) => solve((point) => point.error > error).bytes,
  };
}

/** Rank and bits of least foretold error in so many bytes. */
function bestPair({ rows, cols }, tails, bytes) {
  let best;
  for (const bits of widths) {
    for (let rank = 8; rank <= cols; rank += 8) {
      if (codedBytes(rows, rank, bits) + codedBytes(rank, cols, 8) > bytes) break;
      const error = tails[rank] + (1 - tails[rank]) * quantisationError(bits, rank);
      if (!best || error < best.error) best = { rank, bits, error };
    }
  }
  return best;
}
