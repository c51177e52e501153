import { defineConfig } from "vitest/config";
import { engineFlags } from "./test/engine-flags.mjs";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    maxWorkers: 2,
    execArgv: engineFlags,
    // What is late on a busy machine is not wrong: these limits end what would never end.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 120_000, interval: 20 } },
  },
});
