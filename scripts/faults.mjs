// npm run faults -- [--kills 200] [--full 50] [--shrink 50] [--seed N]: disturbs the command line so often (test/faults/), at moments
// that another seed changes.
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { setup } from "./setup.mjs";

const options = Object.fromEntries(["kills", "full", "shrink", "seed"].map((name) => [name, { type: "string" }]));
const { values } = parseArgs({ options });
const wanted = { kills: "200", full: "50", shrink: "50", seed: String(Date.now() % 1e6), ...values };
for (const [name, text] of Object.entries(wanted))
  if (!/^\d+$/.test(text)) throw new Error(`--${name} ${text}: a whole number was expected.`);

setup();
const env = Object.fromEntries(Object.entries(wanted).map(([name, text]) => [`FAULTS_${name.toUpperCase()}`, text]));
const { status } = spawnSync(process.execPath, ["node_modules/vitest/vitest.mjs", "run", "test/faults"], {
  ...{ stdio: "inherit", env: { ...process.env, ...env } },
});
process.exitCode = status ?? 1;
