// npm run bench -- TOPIC ... [options]      measures, and prints tables
// npm run bench -- performance [--quick]    the topics of docs/performance.md, in about eleven minutes, and writes it with its plot;
//                                           --quick: smaller sizes, one or two minutes, written to build/bench/ instead
//
// Options for single topics: --rows N --cols N --rank K --runs N --threads N --layers N --gb N --keep K --p P --matrix A.npy --method NAME --model
// model.onnx, and --quick.
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { batch } from "./batch.mjs";
import { clusterScaling } from "./cluster-scaling.mjs";
import { cluster } from "./cluster.mjs";
import { codes } from "./codes.mjs";
import { entrywise } from "./entrywise.mjs";
import { kernels } from "./kernels.mjs";
import { levelSet } from "./level-set.mjs";
import { memory } from "./memory.mjs";
import { methods } from "./methods.mjs";
import { load, machine, page } from "./page.mjs";
import { peers } from "./peers.mjs";
import { pipeline } from "./pipeline.mjs";
import { plot } from "./plot.mjs";
import { primitives } from "./primitives.mjs";
import { scaling } from "./scaling.mjs";
import { startup } from "./startup.mjs";
import { tableCodes } from "./table-codes.mjs";
import { note, takeParts } from "./table.mjs";
import { threads } from "./threads.mjs";
import { wide } from "./wide.mjs";

const large = "50265 x 768 is the word table of RoBERTa; the matrix here is made, with heavy-tailed rows";

/**
 * Each topic is a file of its own, `run` its function; `quick` its sizes where it is to be short, and `about` its words on the page,
 * without which it is not there.
 */
const topics = {
  startup: {
    title: "Startup",
    about: "The smallest job there is, in a process that has done nothing yet.",
    run: startup,
    quick: { runs: 4 },
  },
  kernels: {
    title: "Kernels",
    about: "The inner loops, as a share of what multiply-adds on registers alone reach.",
    run: kernels,
    quick: { cols: 256 },
  },
  codes: {
    title: "Trellis codes",
    about: "Rows in few bits by the algorithm of Viterbi: every state of every entry costs four operations.",
    run: ({ runs }) => codes({ runs }),
    quick: { runs: 5 },
  },
  primitives: {
    title: "Methods",
    about: "Each public method once.",
    run: primitives,
    quick: { n: 2000 },
  },
  pipeline: {
    title: "The main job, against numpy",
    about: `${large}.`,
    run: pipeline,
    quick: { rows: 8192, cols: 256, rank: 128, runs: 1 },
  },
  wide: {
    title: "Wide matrices",
    about:
      "Thousands of columns, as language models have: dense steps on them, which all threads share, are most of the work.",
    run: ({ runs, shape = { rows: 16384, cols: 4096, rank: 1024 } }) => wide({ ...shape, runs }),
    quick: { shape: { rows: 4096, cols: 1024, rank: 256 } },
  },
  threads: {
    title: "Threads",
    about: "Two threads against one.",
    run: threads,
    quick: { rows: 8192, cols: 256, rank: 128, runs: 2 },
  },
  batch: {
    title: "Many layers",
    about: "The fully connected layers of one model.",
    run: ({ layers = 8, keep, runs = 2 }) => batch({ layers, keep, runs }),
    quick: { layers: 4, runs: 1 },
  },
  scaling: {
    title: "Scaling",
    about: "Time grows in proportion to the rows, and with the square of the columns.",
    run: scaling,
    quick: { most: 3e4, wideRows: 2000, patience: 2, runs: 1 },
    picture: {
      title: "Low rank of n × 256 numbers, rank 128, one thread",
      x: "rows n",
      y: "seconds",
    },
  },
  peers: {
    title: "Peers",
    about: "Singular value decompositions elsewhere.",
    run: peers,
    quick: { rows: 8192, cols: 256, rank: 128, runs: 1, shrink: 4 },
  },
  "level-set": {
    title: "The paper's algorithm",
    about:
      "The ellipsoid behind the l_p-SVD as its paper makes it, by shallow cuts (arXiv 2009.05647, written afresh in [reference/shallow-cut.ts](../reference/shallow-cut.ts)), beside Lewis weights, which `lowRank` uses, and contact points.",
    run: levelSet,
    quick: { runs: 1, columns: [10] },
  },
  memory: {
    title: "Larger than memory",
    about: "A file that is read by ranges in every sweep; 1 GB here, `npm run bench -- memory --gb 8` for more.",
    run: ({ gb = 1 }) => memory({ gb }),
    quick: { gb: 0.2 },
  },
  cluster: {
    title: "Cluster",
    about:
      "Workers of a cluster on this machine, in processes of their own, against threads; [docs/scaling.md](scaling.md) has the model of its cost.",
    run: ({ runs = 3 }) => cluster({ runs }),
    quick: { runs: 1 },
  },
  "cluster-scaling": { run: ({ runs = 2 }) => clusterScaling({ runs }) },
  methods: { run: methods },
  entrywise: { run: entrywise },
  "table-codes": { run: tableCodes, quick: { rows: 8192, cols: 256 } },
};

const { values, positionals } = parseArgs({
  args: process.argv.slice(2),
  allowPositionals: true,
  options: {
    ...Object.fromEntries(
      ["rows", "cols", "rank", "runs", "keep", "p", "threads", "layers", "gb"].map((name) => [
        name,
        { type: "string" },
      ]),
    ),
    matrix: { type: "string", multiple: true },
    method: { type: "string", multiple: true },
    model: { type: "string" },
    quick: { type: "boolean" },
  },
});
const { quick = false, ...given } = values;
const forPage = positionals[0] === "performance";
const names =
  forPage || !positionals.length ? Object.keys(topics).filter((name) => !forPage || topics[name].about) : positionals;
for (const name of names) {
  if (!topics[name]) {
    console.error(`There is no benchmark "${name}"; there are performance, ${Object.keys(topics).join(", ")}.`);
    process.exit(2);
  }
}
const usual = { rows: 50265, cols: 768, rank: 544 };
const asked = Object.fromEntries(
  Object.entries(given).map(([k, v]) => [k, Array.isArray(v) || k === "model" ? v : Number(v)]),
);

console.log(machine());
const sections = [];
let total = 0;
let picture;
for (const name of names) {
  const { run, quick: small, ...words } = topics[name];
  const loads = [load()];
  const start = performance.now();
  let lines;
  try {
    lines = await run({ ...usual, ...(quick ? small : {}), ...asked });
  } catch (error) {
    // Ten minutes of other figures are not to be lost.
    note(`Not measured: ${error.message}`);
    console.error(error);
    process.exitCode = 1;
  }
  loads.push(load());
  const took = Math.round((performance.now() - start) / 1000);
  total += took;
  console.log(`  ${took} s; load of the machine ${loads.join(" before, ")} after`);
  const parts = takeParts();
  if (words.picture && lines?.length) {
    picture = plot(lines, words.picture);
    parts.picture = words.picture.title;
  }
  sections.push({ ...words, parts, loads, command: `npm run bench -- ${name}` });
}
if (forPage) {
  const folder = new URL(quick ? "../build/bench/" : "../docs/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  const command = `npm run bench -- performance${quick ? " --quick" : ""}`;
  writeFileSync(
    new URL("performance.md", folder),
    await page(sections, { command, total, picture: "performance.svg" }),
  );
  if (picture) writeFileSync(new URL("performance.svg", folder), picture);
  console.log(`\nWritten: ${fileURLToPath(new URL("performance.md", folder))}, performance.svg`);
}
