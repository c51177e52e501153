// The process in which inputs are run. Before each it writes the input's number to a file, so that whoever watches knows which
// one it hangs or dies on; what it finds and counts it sends to its parent.
import { openSync, writeSync } from "node:fs";
import { noCounts } from "./counts.mjs";
import { AllocationError, watchBuffers } from "./guard.mjs";
import { readInput } from "./inputs.mjs";

/** What it is to do: see supervise.mjs. */
const {
  target: name,
  planted,
  seed,
  first,
  end,
  until,
  limit,
  progressFile,
  memory,
  saved,
} = JSON.parse(process.argv[2]);

// Before anything is loaded: modules keep constructors in tables of their own.
const buffers = watchBuffers();
const { openTarget } = await import("./targets.mjs");
const { faultOf, isAllowed, patternOf } = await import("./verdict.mjs");
const target = await openTarget(name, planted);
buffers.largest = 0;
const progress = openSync(progressFile, "w");
const mark = Float64Array.of(0, 0, Math.max(limit, target.limit ?? 0));
const markBytes = new Uint8Array(mark.buffer);

const counts = noCounts();
let pause = performance.now() + 200;

/** Phase 1: the input runs, and the clock with it. Phase 0: it is being made. The third number is how long it may run. */
function write(index, phase) {
  mark[0] = index;
  mark[1] = phase;
  writeSync(progress, markBytes, 0, markBytes.length, 0);
}

function count(record, key) {
  record[key] = (record[key] ?? 0) + 1;
}

function finding(index, kind, error) {
  const detail = error instanceof Error ? (error.stack ?? String(error)) : String(error);
  process.send({ type: "finding", finding: { index, kind, detail } });
}

async function runOne(index) {
  write(index, 0);
  const input = saved ? readInput(saved[index], target.main) : target.input(seed, index);
  buffers.limit = target.bufferLimit(input);
  buffers.refused = undefined;
  write(index, 1);
  const began = performance.now();
  let outcome;
  let thrown;
  try {
    outcome = await target.run(input);
  } catch (error) {
    thrown = error;
  }
  const milliseconds = performance.now() - began;
  write(index, 0);
  buffers.limit = Infinity;
  ++counts.inputs;
  if (milliseconds > counts.slowest) {
    counts.slowest = milliseconds;
    counts.slowestIndex = index;
  }
  if (buffers.refused) finding(index, "allocation", buffers.refused);
  else if (thrown === undefined) count(counts.results, outcome ?? "read");
  else if (isAllowed(thrown, target)) {
    count(counts.errors, thrown.code ?? thrown.name);
    const pattern = patternOf(thrown);
    if (pattern in counts.faults || Object.keys(counts.faults).length < 2000) count(counts.faults, pattern);
    const fault = faultOf(thrown);
    if (fault) finding(index, "message", `${fault}\n${thrown.stack}`);
  } else finding(index, thrown instanceof AllocationError ? "allocation" : "exception", thrown);
  // The mark only rises, and asking takes longer than many an input; to fill so much takes longer still.
  if (counts.inputs % 64 !== 1 && milliseconds < 5) return true;
  const bytes = process.resourceUsage().maxRSS * 1024;
  if (bytes > counts.peakBytes) counts.peakBytes = bytes;
  if (bytes > memory) {
    finding(index, "memory", `the process has come to ${bytes} bytes; ${memory} are allowed`);
    return false;
  }
  return true;
}

async function send() {
  counts.bufferBytes = buffers.largest;
  await new Promise((resolve) => process.send({ type: "counts", counts }, resolve));
}

for (const event of ["uncaughtException", "unhandledRejection"]) {
  process.on(event, (error) => {
    finding(mark[0], "unhandled", error);
    // What it was in the middle of is not to be trusted any more.
    process.send({ type: "end", index: mark[0] }, () => process.exit(3));
  });
}

let index = first;
// What took long to be made ready runs for a while nevertheless.
const deadline = Math.max(until, Date.now() + 1000);
for (; index < end && Date.now() < deadline; ++index) {
  if (!(await runOne(index))) break;
  if (performance.now() < pause) continue;
  await send(); // also lets messages, timers and rejections through
  pause = performance.now() + 200;
}
await send();
process.send({ type: "end", index: Math.min(index, end - 1), finished: true }, () => process.exit(0));
