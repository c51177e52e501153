// What a fresh process pays: the library's import, createLoewner and first call, and commands, beside an empty program. The first
// three by the process's own clock from its first line on, the last by the clock of the process that starts it.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { memorySink, writeNpy } from "../dist/formats/index.js";
import { writeFileSync } from "node:fs";
import { tall } from "./matrix.mjs";
import { note, print } from "./table.mjs";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const [rows, cols] = [100, 10];

function timed(args) {
  const start = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`node ${args.join(" ")} failed: ${stderr}`);
  return { ms: performance.now() - start, stdout };
}

const middle = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

export async function startup({ runs = 10 }) {
  const folder = mkdtempSync(join(tmpdir(), "loewner-bench-"));
  try {
    const { data } = tall({ rows, cols });
    const sink = memorySink();
    await writeNpy(sink, { data, shape: [rows, cols] });
    const file = (name) => join(folder, name);
    writeFileSync(file("A.npy"), sink.bytes());
    const factors = ["--left", file("L.npy"), "--right", file("R.npy"), "--force", "--quiet"];
    const calls = { "p = 2": { p: 2 }, "p = 1, lewis": { p: 1, method: "lewis" }, "p = 1, auto (four methods)": {} };
    const commands = {
      "node -e 0": ["-e", "0"],
      "loewner --version": [at("../dist/cli/main.js"), "--version"],
      "loewner low-rank A.npy --p 2": [
        at("../dist/cli/main.js"),
        "low-rank",
        file("A.npy"),
        "--rank",
        "3",
        "--p",
        "2",
        ...factors,
      ],
      "loewner --help (loads every command)": [at("../dist/cli/main.js"), "--help"],
    };
    const inside = new Map(Object.keys(calls).map((name) => [name, []]));
    const whole = new Map(Object.keys(commands).map((name) => [name, []]));
    for (let run = 0; run < runs; ++run) {
      for (const [name, options] of Object.entries(calls)) {
        const { stdout } = timed([at("startup-child.mjs"), JSON.stringify({ rows, cols, rank: 3, ...options })]);
        inside.get(name).push(JSON.parse(stdout));
      }
      for (const [name, args] of Object.entries(commands)) whole.get(name).push(timed(args).ms);
    }
    const table = [
      ["lowRank, 100 x 10, rank 3", "import, ms", "createLoewner, ms", "first call, ms", "together, ms", "limit"],
    ];
    for (const [name, times] of inside) {
      const best = times.reduce((a, b) => (b.total < a.total ? b : a));
      const limit = name.includes("auto") ? "" : "<= 30";
      table.push([name, ...["load", "create", "first", "total"].map((key) => best[key].toFixed(1)), limit]);
    }
    print(`A fresh Node: from the first line on, fastest of ${runs}`, table);
    const empty = Math.min(...whole.get("node -e 0"));
    const processes = [["process", "fastest, ms", "median, ms", "beyond node -e 0, ms"]];
    for (const [name, times] of whole) {
      const best = Math.min(...times);
      processes.push([name, best.toFixed(0), middle(times).toFixed(0), (best - empty).toFixed(0)]);
    }
    print(`Whole processes, ${runs} each, in turn`, processes);
    note(`The matrix of low-rank is ${rows} x ${cols}, rank 3.`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
