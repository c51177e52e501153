// Runs one target in a child process and watches over it: an input that takes longer than the limit, or that the process dies
// on, is a finding, and a new process goes on with the next input.
import { fork } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { noCounts } from "./counts.mjs";

const child = fileURLToPath(new URL("child.mjs", import.meta.url));

/** Nothing a person reads through; after so many the target is given up. */
const mostFindings = 40;

/**
 * @typedef {object} Run
 * @property {string} target its name
 * @property {string} [planted] module with targets that are not in the list
 * @property {number | string} seed
 * @property {number} first number of the first input
 * @property {number} end number after the last; Infinity: until the time is over
 * @property {number} until milliseconds since 1970
 * @property {number} limit milliseconds that an input may take
 * @property {number} memory bytes that the process may come to
 * @property {string[]} [saved] inputs to read, in place of making them
 */

/** @typedef {{ index: number, kind: string, detail: string }} Finding */

/**
 * @param {Run} run
 * @param {(finding: Finding) => void} onFinding called once for each kind of fault and place in the code
 * @returns counts over all processes: inputs, results by name, errors by code, messages, peaks, findings
 */
export async function supervise(run, onFinding) {
  const total = noCounts();
  const findings = new Map();
  const folder = mkdtempSync(join(tmpdir(), "loewner-fuzz-"));
  const began = Date.now();
  const note = (finding) => {
    const key = `${finding.kind} ${signature(finding)}`;
    const known = findings.get(key);
    if (known) ++known.times;
    else {
      findings.set(key, { ...finding, times: 1 });
      onFinding(finding);
    }
  };
  try {
    let { first } = run;
    while (first < run.end && Date.now() < run.until && findings.size < mostFindings) {
      const { counts, last, fault, finished } = await runProcess({ ...run, first }, folder, note);
      if (counts) add(total, counts);
      total.inputs += last + 1 - first;
      if (fault) note(fault);
      if (finished && last + 1 >= run.end) break;
      first = last + 1;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { ...total, seconds: (Date.now() - began) / 1000, findings: [...findings.values()] };
}

/** One process, until its inputs or its time are over or it has to be ended. */
function runProcess(run, folder, note) {
  const progressFile = join(folder, "progress");
  closeSync(openSync(progressFile, "w"));
  const progress = openSync(progressFile, "r");
  const end = Math.min(run.end, Number.MAX_SAFE_INTEGER); // JSON has no Infinity
  const worker = fork(child, [JSON.stringify({ ...run, end, progressFile })], {
    execArgv: ["--max-old-space-size=384", "--stack-size=984"],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    cwd: folder,
  });
  return new Promise((resolve, reject) => {
    let counts;
    let ended;
    let hung;
    let errors = "";
    worker.stderr.on("data", (text) => (errors = (errors + text).slice(-4000)));
    worker.on("message", (message) => {
      if (message.type === "finding") note(message.finding);
      else if (message.type === "counts") ({ counts } = message);
      else ended = message;
    });
    const place = new Float64Array(3);
    const readPlace = () =>
      readSync(progress, new Uint8Array(place.buffer), 0, place.byteLength, 0) === place.byteLength;
    let seen = -1;
    let since = Date.now();
    const timer = setInterval(() => {
      if (!readPlace()) return;
      const [index, running, limit] = place;
      if (index !== seen || !running) {
        seen = index;
        since = Date.now();
      } else if (Date.now() - since > limit) {
        hung = index;
        worker.kill("SIGKILL");
      }
    }, 50);
    worker.on("error", reject);
    worker.on("close", (code, signal) => {
      clearInterval(timer);
      const started = readPlace();
      closeSync(progress);
      const last = ended?.index ?? place[0];
      const how = signal ? `by ${signal}` : `with code ${code}`;
      if (hung !== undefined) {
        const detail = `more than ${place[2]} ms`;
        resolve({ counts, last: hung, fault: { index: hung, kind: "hang", detail } });
      } else if (ended) resolve({ counts, last, finished: ended.finished });
      else if (!started) reject(new Error(`The child ended ${how} before its first input.\n${errors}`));
      // An answer that never comes leaves a process with nothing to do, which ends.
      else resolve({ counts, last, fault: { index: last, kind: "death", detail: `it ended ${how}\n${errors}` } });
    });
  });
}

function add(total, counts) {
  for (const kind of ["results", "errors", "faults"]) {
    for (const [key, count] of Object.entries(counts[kind])) total[kind][key] = (total[kind][key] ?? 0) + count;
  }
  if (counts.slowest > total.slowest) {
    total.slowest = counts.slowest;
    total.slowestIndex = counts.slowestIndex;
  }
  total.peakBytes = Math.max(total.peakBytes, counts.peakBytes);
  total.bufferBytes = Math.max(total.bufferBytes, counts.bufferBytes);
}

/** Faults are one when they come from the same line; of what was thrown in this harness or by the process, with the same words. */
function signature({ kind, detail }) {
  const [message, ...lines] = detail.split("\n");
  const own = lines.filter((line) => line.includes("/build/lib/"));
  // A tagged error is made by a helper: the line that called it is the second.
  if (own.length > 0) return own.slice(0, kind === "message" ? 2 : 1).join(" ");
  return message.replace(/"[^"]*"|-?\d+/g, "#").slice(0, 160);
}
