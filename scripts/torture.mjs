// Every primitive on every awkward matrix: `node scripts/torture.mjs [STEP]`. All combinations of type, row weights and p (some 240,000
// calls, an hour or so), or every STEP-th of them; `npm test` takes every 180th.
import { spawnSync } from "node:child_process";
import { setup } from "./setup.mjs";

setup();
const { status } = spawnSync(process.execPath, ["node_modules/vitest/vitest.mjs", "run", "test/torture"], {
  stdio: "inherit",
  env: { ...process.env, LOEWNER_TORTURE_STEP: process.argv[2] ?? "1" },
});
process.exitCode = status ?? 1;
