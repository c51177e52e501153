// Peak memory of the command low-rank over a file that is larger than it may hold: a generated .npy of `gb` gigabytes of f32 rows, two
// threads, --memory 512MB, the whole process (Node itself and its workers included) against a limit of 600 MB. Linux also tells how many
// bytes were read, from which GB/s follow: every sweep reads the file anew, from the disk or what the system has cached of it.
import { fork } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { uniform } from "../examples/embedding.mjs";
import { npyHeader } from "../dist/formats/index.js";
import { print } from "./table.mjs";

const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const budget = "512MB";
const limit = 600e6;
const cols = 768;
const rank = 16;

/** Two rows of a pool each, so that eight gigabytes take seconds, with heavy-tailed norms. */
export function writeMatrix(path, rows, cols, seed) {
  const pool = 4099;
  const noise = Float32Array.from({ length: pool * cols }, (_, i) => (uniform(seed, i) - 0.5) / (1 + (i % cols) / 100));
  const file = openSync(path, "wx");
  try {
    writeSync(file, npyHeader("f32", [rows, cols]));
    const step = 4096;
    const block = new Float32Array(step * cols);
    for (let start = 0; start < rows; start += step) {
      const count = Math.min(step, rows - start);
      for (let i = 0; i < count; ++i) {
        const row = start + i;
        const size = uniform(seed + 1, row) ** -0.4;
        const [a, b] = [(row % pool) * cols, (Math.floor(uniform(seed + 2, row) * pool) % pool) * cols];
        for (let j = 0; j < cols; ++j) block[i * cols + j] = size * (noise[a + j] + noise[b + j]);
      }
      const bytes = new Uint8Array(block.buffer, 0, count * cols * 4);
      for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
    }
  } finally {
    closeSync(file);
  }
}

/** What the process tells as it ends: bytes of its peak, and what it read. */
const witness = `data:text/javascript,${encodeURIComponent(`
  import { existsSync, readFileSync } from "node:fs";
  import { peakBytes } from ${JSON.stringify(new URL("peak.mjs", import.meta.url).href)};
  process.on("exit", () => {
    const io = existsSync("/proc/self/io") ? readFileSync("/proc/self/io", "utf8") : "";
    process.send({ peak: peakBytes(), read: Number(/rchar: (\\d+)/.exec(io)?.[1]) });
  });`)}`;

/** Ends with `signal`. */
function run(args, signal) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = fork(main, args, {
      execArgv: ["--import", witness],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      signal,
    });
    let told;
    let errors = "";
    child.on("message", (message) => (told = message));
    child.stderr.on("data", (text) => (errors += text));
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0
        ? resolve({ ...told, seconds: (performance.now() - start) / 1000 })
        : reject(new Error(`loewner ${args[0]} ended with code ${code}: ${errors}`)),
    );
  });
}

/** The file lies in `folder` for as long as this runs, however it ends. */
export async function memory({ gb = 8, seed = 1, folder = tmpdir() } = {}) {
  const rows = Math.floor((gb * 1e9) / (4 * cols));
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < gb * 1.1e9)
    throw new Error(`${folder} has no room for ${gb} GB; give another folder, or a smaller --gb.`);
  const place = mkdtempSync(join(folder, "loewner-memory-"));
  const remove = () => rmSync(place, { recursive: true, force: true });
  const abort = new AbortController();
  const interrupted = () => {
    abort.abort();
    remove();
    process.exit(130);
  };
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, interrupted);
  const at = (name) => join(place, name);
  const table = [["method", "seconds", "GB read", "GB/s", "peak, MB", "limit, MB", "within"]];
  try {
    writeMatrix(at("A.npy"), rows, cols, seed);
    for (const [name, p, method] of [
      ["p = 1, lewis", "1", "lewis"],
      ["p = 2, svd", "2", "svd"],
    ]) {
      const files = ["--left", at(`L${p}.npy`), "--right", at(`R${p}.npy`)];
      const how = ["--rank", String(rank), "--p", p, "--method", method, "--threads", "2", "--memory", budget];
      const { seconds, read, peak } = await run(["low-rank", at("A.npy"), ...how, ...files], abort.signal);
      table.push([
        ...[name, seconds.toFixed(1), (read / 1e9).toFixed(1), (read / 1e9 / seconds).toFixed(2)],
        ...[(peak / 1e6).toFixed(0), String(limit / 1e6), peak <= limit ? "yes" : "NO"],
      ]);
    }
  } finally {
    remove();
    for (const signal of ["SIGINT", "SIGTERM"]) process.off(signal, interrupted);
  }
  print(
    `low-rank of ${gb} GB: ${rows} x ${cols} f32, rank ${rank}, seed ${seed}, 2 threads, --memory ${budget}`,
    table,
  );
  return table;
}
