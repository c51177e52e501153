// Sets up, runs as-pect and vitest, and ends with one line over both: `N passed, N failed`.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setup, setupTests } from "./setup.mjs";

setup({ page: true });
setupTests();

function asPect() {
  const run = spawnSync(process.execPath, ["node_modules/@as-pect/cli/bin/asp.js", "--verbose"], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  const output = `${run.stdout}${run.stderr}`;
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

const suites = [asPect(), vitest()];
const passed = suites.reduce((sum, s) => sum + s.passed, 0);
const failed = suites.reduce((sum, s) => sum + s.failed, 0);
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed ? 1 : 0;
