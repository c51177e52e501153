import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { engineFlags } from "./test/engine-flags.mjs";

const folders = ["formats", "library", "model", "torture"];
const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const isReplacing = (path: string) => /vi\.(doM|m)ock|vi\.resetModules/.test(readFileSync(at(path), "utf8"));
/** Files of these folders that replace modules. */
const replacing = folders
  .flatMap((name) =>
    readdirSync(at(`test/${name}`), { recursive: true, encoding: "utf8" }).map((x) => `test/${name}/${x}`),
  )
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => path.endsWith(".test.ts") && isReplacing(path));

/** Files with a process of their own first, many of which are long; then the others, whose processes go on from one to the next. */
class Sequencer extends BaseSequencer {
  async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const those = (isolated: boolean) => sorted.filter(({ project }) => project.config.isolate === isolated);
    return [...those(true), ...those(false)];
  }
}

export default defineConfig({
  test: {
    maxWorkers: 2,
    execArgv: engineFlags,
    exclude: ["**/node_modules/**"],
    // What is late on a busy machine is not wrong: these limits end what would never end.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 120_000, interval: 20 } },
    sequence: { sequencer: Sequencer },
    projects: [
      {
        extends: true,
        // One after another in a process that has the modules already: they leave nothing behind.
        test: {
          ...{ name: "together", isolate: false, exclude: replacing },
          include: [`test/{${folders.join()}}/**/*.test.ts`],
        },
      },
      {
        extends: true,
        test: {
          ...{ name: "apart", globalSetup: "test/once.ts" },
          include: [`test/!(${folders.join("|")})/**/*.test.ts`, ...replacing],
        },
      },
    ],
  },
});
