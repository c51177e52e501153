// Breaks one token of the sources at a time, in a copy of the checkout, and sees whether a test fails.
//
//   npm run mutate            all mutations        npm run mutate -- lewis     those of files whose name holds "lewis"
//
// A mutation that survives is a hole in the tests. Takes about 20 seconds each.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mutations } from "./mutations.mjs";
import { setup } from "./setup.mjs";

setup();
const copy = mkdtempSync(join(tmpdir(), "loewner-mutate-"));
const skip = new Set(["node_modules", ".git", "demo-output", "dist"]);
cpSync(".", copy, {
  recursive: true,
  preserveTimestamps: true,
  filter: (path) => !path.split(/[\\/]/).some((part) => skip.has(part)),
});
// The copy shares what is installed and must never install anew.
writeFileSync(join(copy, ".setup", "install"), "");
symlinkSync(join(process.cwd(), "node_modules"), join(copy, "node_modules"), "junction");

const node = (...args) => spawnSync(process.execPath, args, { cwd: copy, encoding: "utf8", maxBuffer: 1 << 28 });

/** The first suite that notices, or undefined. */
function caughtBy(file) {
  const build = node("scripts/setup.mjs");
  if (build.status !== 0) return "the compiler";
  const suites = ["test/library", "test/torture"].map((folder) => [
    folder,
    ["node_modules/vitest/vitest.mjs", "run", "--bail=1", folder],
  ]);
  const kernels = ["as-pect", ["node_modules/@as-pect/cli/bin/asp.js"]];
  if (file.startsWith("assembly/")) suites.unshift(kernels);
  for (const [name, args] of suites) {
    const run = node(...args);
    if (run.status === 0) continue;
    const plain = `${run.stdout}${run.stderr}`.replace(/\u001b\[[0-9;]*m/g, "");
    const first = /FAIL\s+(.*)/.exec(plain)?.[1] ?? /\[Fail\]:.*?✖\s*(.*)/.exec(plain)?.[1];
    return first ? `${name}: ${first.trim()}` : name;
  }
  return undefined;
}

const filter = process.argv[2] ?? "";
let survivors = 0;
try {
  for (const [file, from, to] of mutations.filter(([file]) => file.includes(filter))) {
    const text = readFileSync(join(copy, file), "utf8");
    if (text.split(from).length !== 2)
      throw new Error(`${file}: "${from}" must occur exactly once; mend mutations.mjs.`);
    writeFileSync(
      join(copy, file),
      text.replace(from, () => to),
    );
    const by = caughtBy(file);
    writeFileSync(join(copy, file), text);
    if (!by) survivors++;
    console.log(
      `${by ? "caught  " : "SURVIVED"}  ${file}\n          ${from}\n       -> ${to}\n          ${by ?? "no test failed"}`,
    );
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
console.log(`${survivors} survived`);
process.exitCode = survivors ? 1 : 0;
