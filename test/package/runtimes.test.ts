// One package, one program, every runtime: the same bytes.
import { execFile } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLoewner } from "../../src/index.js";
import { installPacked, tool } from "./packed.js";
import { answer } from "./program.mjs";
import { serveInWorkerd } from "./workerd.js";

let folder: string;
let expected: string;
beforeAll(async () => {
  ({ folder } = await installPacked());
  const main = (options: string) => `
    import { createLoewner } from "loewner";
    import { answer } from "./program.mjs";
    console.log(await answer(createLoewner, ${options}));`;
  writeFileSync(join(folder, "one.mjs"), main("{}"));
  writeFileSync(join(folder, "two.mjs"), main("{ threads: 2 }"));
  expected = await answer(createLoewner);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the program's answer is a hash that depends on the factors", async () => {
  expect(expected).toMatch(/^[0-9a-f]{64}$/);
  const changed: typeof createLoewner = async (options) => {
    const loewner = await createLoewner(options);
    const lowRank = async (...args: Parameters<typeof loewner.lowRank>) => {
      const result = await loewner.lowRank(...args);
      result.right.data[0] += 1;
      return result;
    };
    return Object.assign(Object.create(loewner), { lowRank });
  };
  expect(await answer(changed)).not.toBe(expected);
});

const deno = [tool(".bin/deno"), "run", "--quiet", "--no-prompt", "--node-modules-dir=manual"];
const programs: [runtime: string, command: string[]][] = [
  [`Node ${process.versions.node}, which runs the tests`, [process.execPath]],
  ["Node 22", [tool("node-22/bin/node")]],
  ["Node 24", [tool("node/bin/node")]],
  ["Node 26", [tool("node-26/bin/node")]],
  ["Bun", [tool(".bin/bun"), "run"]],
];

async function run([program, ...args]: string[], script: string): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(program, [...args, script], { cwd: folder });
  expect(stderr).toBe("");
  return stdout.trim();
}

describe.each(programs)("%s", (_, command) => {
  test("one thread", async () => expect(await run(command, "one.mjs")).toBe(expected));
  test("two threads", async () => expect(await run(command, "two.mjs")).toBe(expected));
});

describe("Deno", () => {
  test("without any permission", async () => expect(await run(deno, "one.mjs")).toBe(expected));
  test("two threads, which may read their script", async () => {
    expect(await run([...deno, "--allow-read"], "two.mjs")).toBe(expected);
  });
});

test("workerd, where WebAssembly comes as a file that is compiled already", async () => {
  const entry = join(folder, "worker.mjs");
  writeFileSync(
    entry,
    `import { createLoewner } from "loewner";
    import { answer } from "./program.mjs";
    export default {
      async fetch() {
        const two = await createLoewner({ threads: 2 }).catch((error) => error.message);
        return Response.json({ hash: await answer(createLoewner, { threads: "auto" }), two });
      },
    };`,
  );
  const outdir = join(folder, "workerd");
  mkdirSync(outdir);
  const { url, stop } = await serveInWorkerd(entry, outdir);
  try {
    const { hash, two } = (await (await fetch(url)).json()) as { hash: string; two: string };
    expect(hash).toBe(expected);
    expect(two).toContain("this runtime has no workers");
  } finally {
    stop();
  }
});
