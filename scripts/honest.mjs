// What compress writes, verify finds true: `node scripts/honest.mjs [STEP]`. 500 files of every kind of table, method, p and type, or
// every STEP-th of them; `npm test` takes every 40th.
import { spawnSync } from "node:child_process";
import { setup } from "./setup.mjs";

setup();
const { status } = spawnSync(process.execPath, ["node_modules/vitest/vitest.mjs", "run", "test/honest"], {
  stdio: "inherit",
  env: { ...process.env, LOEWNER_HONEST_STEP: process.argv[2] ?? "1" },
});
process.exitCode = status ?? 1;
