// How far single rows are from what was stored of them, beside SVD at the same rank: sums hide who pays.
import type { Loewner, Matrix, MatrixLike, RowSource } from "loewner";
import { decodeNumbers } from "loewner/formats";
import { toRowSource } from "loewner/matrix.js";
import type { StoredPair } from "./job.js";
import type { RowErrors } from "./protocol.js";
import type { Run } from "./serve.js";

const bins = 48;
const worstShown = 8;

/**
 * Cost: SVD of the layer, and two products of rank * cols multiply-adds a row.
 * @param tokenOf what a row stands for
 */
export async function rowErrors(
  loewner: Loewner,
  { source, rank, left, right, ofTokens }: StoredPair,
  tokenOf: (row: number) => string | undefined,
  { signal, onProgress }: Run,
): Promise<RowErrors> {
  const run = { signal, onProgress };
  const stored = await distances(loewner, source, left, right, run);
  const best = await loewner.lowRank(source, { ...run, rank, p: 2, method: "svd", report: false });
  const svd = await distances(loewner, source, best.left, best.right, run);
  const order = Array.from(stored.keys()).sort((a, b) => stored[b] - stored[a] || a - b);
  const worst = order.slice(0, worstShown).map((row) => ({
    row,
    stored: stored[row],
    svd: svd[row],
    ...(ofTokens && { token: tokenOf(row) }),
  }));
  const median = { stored: medianOf(stored), svd: medianOf(svd) };
  const exact = stored.filter((error, row) => error === 0 && svd[row] > 0).length;
  return { ...histogram(stored, svd), median, worst, exact };
}

/** |a_i - left_i right|_2 of every row. */
async function distances(
  loewner: Loewner,
  source: RowSource,
  left: MatrixLike,
  right: Matrix | undefined,
  run: Run,
): Promise<Float64Array> {
  const { rows, cols, dtype } = source;
  const found = new Float64Array(rows);
  const compare = async (start: number, approximate: Float32Array | Float64Array) => {
    const count = approximate.length / cols;
    const exact = decodeNumbers(await source.read(start, count), dtype);
    for (let i = 0; i < count; ++i) {
      let sum = 0;
      for (let j = i * cols; j < (i + 1) * cols; ++j) sum += (exact[j] - approximate[j]) * (exact[j] - approximate[j]);
      found[start + i] = Math.sqrt(sum);
    }
  };
  if (right) await loewner.multiply({ left, right }, compare, run);
  else {
    const whole = toRowSource(left);
    const step = Math.max(1, Math.floor((1 << 20) / cols));
    for (let start = 0; start < rows; start += step) {
      const count = Math.min(step, rows - start);
      await compare(start, decodeNumbers(await whole.read(start, count), whole.dtype));
    }
  }
  return found;
}

function histogram(stored: Float64Array, svd: Float64Array): Pick<RowErrors, "edges" | "stored" | "svd"> {
  let [low, high] = [Infinity, 0];
  for (const x of [...stored, ...svd]) {
    if (x > 0 && x < low) low = x;
    if (x > high) high = x;
  }
  // Errors of rounding alone would leave all others in one bin.
  low = Math.min(Math.max(low, high * 1e-4), high / 2) || 1;
  const ratio = Math.log((high || 2) / low) / bins;
  const edges = Float64Array.from({ length: bins + 1 }, (_, i) => low * Math.exp(i * ratio));
  const count = (values: Float64Array) => {
    const counts = new Float64Array(bins);
    for (const x of values) counts[Math.min(bins - 1, Math.max(0, Math.floor(Math.log(x / low) / ratio) || 0))]++;
    return counts;
  };
  return { edges, stored: count(stored), svd: count(svd) };
}

function medianOf(values: Float64Array): number {
  const sorted = values.slice().sort();
  return sorted[sorted.length >> 1];
}
