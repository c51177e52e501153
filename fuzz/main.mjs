// Hands damaged and made-up input to everything that reads what strangers wrote; see docs/fuzzing.md.
//
//   npm run fuzz -- --minutes 30                        all targets, time shared evenly
//   npm run fuzz -- --target npy --inputs 1000000       one target (or several, by more --target), so many inputs
//   npm run fuzz -- --target npy --seed 7 --first 812 --inputs 1      one input again
//   npm run fuzz -- --replay test/fixtures/fuzz         inputs that were found before, one folder a target
//
// --json FILE writes the figures, --faults also prints every message that was reached, --save FOLDER says where inputs with
// findings go. Exit code 1 when there was a finding.
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { saveInput, savedInputs } from "./inputs.mjs";
import { printFaults, printReport } from "./report.mjs";
import { supervise } from "./supervise.mjs";
import { openTarget, targets } from "./targets.mjs";

const { values: options } = parseArgs({
  options: {
    target: { type: "string", multiple: true },
    minutes: { type: "string" },
    seconds: { type: "string" },
    inputs: { type: "string" },
    first: { type: "string", default: "0" },
    seed: { type: "string" },
    limit: { type: "string", default: "2000" },
    memory: { type: "string", default: String(512 * 2 ** 20) },
    replay: { type: "string" },
    planted: { type: "string" },
    save: { type: "string", default: "build/fuzz" },
    json: { type: "string" },
    faults: { type: "boolean", default: false },
  },
});

const seed = options.seed ?? String(Math.floor(Math.random() * 2 ** 31));
const planted = options.planted && resolve(options.planted);
const saved = options.replay ? savedInputs(resolve(options.replay)) : undefined;
const names = options.target ?? [...(saved?.keys() ?? Object.keys(targets))];
const first = Number(options.first);
const inputs = options.inputs === undefined ? undefined : Number(options.inputs);
const total = options.seconds ? Number(options.seconds) : 60 * Number(options.minutes ?? (inputs ? Infinity : 1));

console.log(`seed ${seed}; ${names.join(", ")}`);
const reports = {};
for (const name of names) {
  const paths = saved?.get(name);
  const run = {
    ...{ target: name, planted, seed, saved: paths },
    ...{ first: saved ? 0 : first, end: paths?.length ?? (inputs === undefined ? Infinity : first + inputs) },
    until: Number.isFinite(total) && !saved ? Date.now() + (1000 * total) / names.length : Number.MAX_SAFE_INTEGER,
    ...{ limit: Number(options.limit), memory: Number(options.memory) },
  };
  const report = await supervise(run, () => undefined);
  for (const finding of report.findings) finding.path = paths ? paths[finding.index] : await save(name, finding);
  reports[name] = report;
  printReport(name, report, seed);
  if (options.faults) printFaults(report);
}
const found = Object.values(reports).reduce((sum, { findings }) => sum + findings.length, 0);
if (options.json) writeFileSync(options.json, JSON.stringify({ seed, targets: reports }, null, 2));
console.log(`\n${found} findings`);
process.exitCode = found > 0 ? 1 : 0;

/** The input is made again here: the process that met it may have died of it. */
async function save(name, { index, kind }) {
  const target = await openTarget(name, planted);
  return saveInput(join(options.save, name, `${kind}-${seed}-${index}`), target.main, target.input(seed, index));
}
