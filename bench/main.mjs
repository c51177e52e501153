// npm run bench [-- kernels pipeline methods entrywise level-set threads --rows N --cols N --rank K --runs N --keep K --p P --matrix A.npy --method NAME]
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { entrywise } from "./entrywise.mjs";
import { kernels } from "./kernels.mjs";
import { levelSet } from "./level-set.mjs";
import { methods } from "./methods.mjs";
import { pipeline } from "./pipeline.mjs";
import { threads } from "./threads.mjs";

const { values, positionals } = parseArgs({
  args: process.argv.slice(2),
  allowPositionals: true,
  options: {
    ...Object.fromEntries(["rows", "cols", "rank", "runs", "keep", "p"].map((name) => [name, { type: "string" }])),
    matrix: { type: "string", multiple: true },
    method: { type: "string", multiple: true },
  },
});
const parts = { kernels, pipeline, methods, entrywise, "level-set": levelSet, threads };
const names = positionals.length ? positionals : Object.keys(parts);
for (const name of names) {
  if (!parts[name]) {
    console.error(`There is no benchmark "${name}"; there are ${Object.keys(parts).join(", ")}.`);
    process.exit(2);
  }
}
const options = {
  rows: 50265,
  cols: 768,
  rank: 544,
  ...Object.fromEntries(Object.entries(values).map(([k, v]) => [k, Array.isArray(v) ? v : Number(v)])),
};
console.log(`${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}`);
for (const name of names) await parts[name](options);
