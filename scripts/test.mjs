// Sets up, runs as-pect and vitest, and ends with one line over both: `N passed, N failed`.
import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setup } from "./setup.mjs";

/** What only the tests need is installed while the rest is built and as-pect runs. */
async function installed(child) {
  const [code] = await once(child, "exit");
  if (code !== 0) process.exit(1);
}

async function asPect() {
  const args = ["node_modules/@as-pect/cli/bin/asp.js", "--verbose"];
  const run = await new Promise((resolve) =>
    execFile(process.execPath, args, { maxBuffer: 1 << 28 }, (error, stdout, stderr) =>
      resolve({ status: error ? 1 : 0, output: `${stdout}${stderr}` }),
    ),
  );
  const { output } = run;
  process.stdout.write(output);
  // The last summary counts tests over all files: "[Tests]: 10 / 10".
  const plain = output.replace(/\u001b\[[0-9;]*m/g, "");
  const [passed, total] = (plain.match(/\[Tests\]:\s*(\d+)\s*\/\s*(\d+)/) ?? [0, 0, 0]).slice(1).map(Number);
  let failed = total - passed;
  if (run.status !== 0 && failed === 0) failed = 1;
  // No test found is a failure too.
  if (total === 0) failed = Math.max(1, failed);
  return { passed, failed };
}

function vitest() {
  const folder = mkdtempSync(join(tmpdir(), "loewner-test-"));
  const report = join(folder, "report.json");
  const run = spawnSync(
    process.execPath,
    [
      "node_modules/vitest/vitest.mjs",
      "run",
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${report}`,
      ...process.argv.slice(2),
    ],
    { stdio: ["ignore", "inherit", "inherit"] },
  );
  try {
    const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(readFileSync(report, "utf8"));
    let failed = numFailedTests;
    if (run.status !== 0 && failed === 0) failed = Math.max(1, numFailedTestSuites);
    return { passed: numPassedTests, failed };
  } catch {
    return { passed: 0, failed: 1 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const script = fileURLToPath(new URL("setup.mjs", import.meta.url));
const others = installed(spawn(process.execPath, [script, "--tests"], { stdio: "inherit" }));
setup({ page: true });
const suites = [await asPect()];
await others;
suites.push(vitest());
const passed = suites.reduce((sum, s) => sum + s.passed, 0);
const failed = suites.reduce((sum, s) => sum + s.failed, 0);
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed ? 1 : 0;
