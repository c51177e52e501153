// Time against rows and against columns, one thread, with the exponent of a fitted power. Peers at the same sizes, as far as their
// time and memory allow; the numbers of the plot.
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLoewner } from "../dist/index.js";
import { long } from "./matrix.mjs";
import { npmPeer } from "./peers.mjs";
import { numpy } from "./python.mjs";
import { note, print, seconds } from "./table.mjs";

const jobs = { "p = 2": { p: 2 }, "p = 1, lewis": { p: 1, method: "lewis" } };

/** Of least squares in logarithms: time ~ size^exponent. */
export function exponent(points) {
  const logs = points.map((point) => point.map(Math.log));
  const mean = (k) => logs.reduce((sum, point) => sum + point[k], 0) / logs.length;
  const [x, y] = [mean(0), mean(1)];
  const slope = logs.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
  return slope / logs.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
}

/** Seconds of each of ours, in turn. The left factor is handed on block by block, so that a gigabyte of rows is held once. */
async function ours(loewner, a, runs) {
  const least = Object.fromEntries(Object.keys(jobs).map((name) => [name, Infinity]));
  for (let run = 0; run < runs; ++run) {
    for (const [name, options] of Object.entries(jobs)) {
      const result = await loewner.lowRank(a, { ...options, rank: a.cols / 2, left: () => {} });
      least[name] = Math.min(least[name], result.seconds);
    }
  }
  return least;
}

/** Each is asked as long as the next size should take it less than `patience` seconds. */
const peers = (rank) => ({
  "numpy.linalg.svd": (file, shape) => numpy(file, shape),
  "scikit-learn randomized_svd": (file, shape) => numpy(file, shape, { kind: "randomized", rank }),
  "@jax-js/jax svd, wasm": (file, shape) => npmPeer("jax", file, shape, 2),
  "ml-matrix SVD": (file, shape) => npmPeer("ml-matrix", file, shape, 2),
});

/** More runs where they are short. */
const runsAt = (n, runs) => (n <= 3e4 ? Math.max(runs, 5) : runs);

async function againstRows(loewner, { sizes, cols, seed, runs, patience }) {
  const others = peers(cols / 2);
  const series = new Map([...Object.keys(jobs), ...Object.keys(others)].map((name) => [name, []]));
  const file = join(tmpdir(), `loewner-scaling-${process.pid}.f32`);
  try {
    for (const rows of sizes) {
      const a = long({ rows, cols, seed });
      for (const [name, time] of Object.entries(await ours(loewner, a, runsAt(rows, runs))))
        series.get(name).push([rows, time]);
      writeFileSync(file, a.data);
      for (const [name, peer] of Object.entries(others)) {
        const points = series.get(name);
        const last = points.at(-1);
        if (points.ended || (last && last[1] * (rows / last[0]) > patience)) continue;
        const time = peer(file, { rows, cols });
        if (Number.isFinite(time)) points.push([rows, time]);
        else points.ended = true;
      }
    }
  } finally {
    rmSync(file, { force: true });
  }
  const table = [["rows", ...series.keys()]];
  for (const rows of sizes) {
    const at = (points) => points.find(([n]) => n === rows)?.[1];
    table.push([rows, ...[...series.values()].map((points) => (at(points) ? seconds(at(points)) : "-"))]);
  }
  const fitted = [...series.values()].map((points) => (points.length > 2 ? exponent(points).toFixed(2) : "-"));
  table.push(["exponent", ...fitted], ["limit", ...[...series.keys()].map((name) => (name in jobs ? "<= 1.05" : ""))]);
  print(`Seconds against rows, ${cols} columns f32, rank ${cols / 2}, seed ${seed}, one thread`, table);
  note(
    `Peers as far as the next size should take less than ${patience} s; each is asked once, ours ${runs} times or more, in turn.`,
  );
  return [...series]
    .filter(([, points]) => points.length > 1)
    .map(([name, points]) => ({ name: name in jobs ? `loewner, ${name}` : name, points, bold: name in jobs }));
}

async function againstColumns(loewner, { rows, widths, seed, runs }) {
  const series = new Map(Object.keys(jobs).map((name) => [name, []]));
  for (const cols of widths) {
    const times = await ours(loewner, long({ rows, cols, seed }), runs);
    for (const [name, time] of Object.entries(times)) series.get(name).push([cols, time]);
  }
  const table = [["columns", ...series.keys()]];
  for (const [k, cols] of widths.entries())
    table.push([cols, ...[...series.values()].map((points) => seconds(points[k][1]))]);
  table.push(
    ["exponent", ...[...series.values()].map((points) => exponent(points).toFixed(2))],
    ["limit", "<= 2.2", "<= 2.2"],
  );
  print(
    `Seconds against columns, ${rows} rows f32, rank half the columns, seed ${seed}, one thread, best of ${runs}`,
    table,
  );
}

/** @returns the lines of the plot, time against rows. */
export async function scaling({ seed = 1, runs = 2, most = 3e5, wideRows = 20000, patience = 7 }) {
  const loewner = await createLoewner();
  // The first calls only warm the compiler up.
  await ours(loewner, long({ rows: 2000, cols: 256, seed }), 3);
  const sizes = [1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6].filter((n) => n <= most);
  const lines = await againstRows(loewner, { sizes, cols: 256, seed, runs, patience });
  await againstColumns(loewner, { rows: wideRows, widths: [64, 128, 256, 512, 1024], seed, runs });
  loewner.dispose();
  return lines;
}
