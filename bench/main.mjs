// npm run bench [-- kernels pipeline --rows N --cols N --rank K --runs N]
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { kernels } from "./kernels.mjs";
import { pipeline } from "./pipeline.mjs";

const { values, positionals } = parseArgs({
  args: process.argv.slice(2),
  allowPositionals: true,
  options: Object.fromEntries(["rows", "cols", "rank", "runs"].map((name) => [name, { type: "string" }])),
});
const parts = { kernels, pipeline };
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
  ...Object.fromEntries(Object.entries(values).map(([k, v]) => [k, Number(v)])),
};
console.log(`${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}`);
for (const name of names) await parts[name](options);
