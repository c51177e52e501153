// Threads in a page, bundled by Vite: its workers' script is found, and the bytes are those of one thread in Node.
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { build } from "vite";
import { createLoewner } from "../../src/index.js";
import { patienceMs, startChromium } from "../chromium.js";

const index = fileURLToPath(new URL("../../dist/index.js", import.meta.url));
const values = { length: 3000 * 24 };
const valueOf = (_: unknown, i: number) => ((i * 7919) % 1031) / 100;
const page = `
  import { createLoewner } from ${JSON.stringify(index)};
  const data = Float32Array.from(${JSON.stringify(values)}, ${valueOf});
  window.answer = async (threads) => {
    const loewner = await createLoewner({ threads, threadBytes: 0 });
    const { left } = await loewner.lowRank({ data, rows: 3000, cols: 24 }, { rank: 5, method: "lewis" });
    loewner.dispose();
    return Array.from(left.data);
  };
  // Whole calls in workers: the same script.
  window.sideBySide = async (threads) => {
    const loewner = await createLoewner({ threads, threadWork: 0 });
    const layer = { data: data.slice(0, 300 * 24), rows: 300, cols: 24 };
    const answers = await Promise.all([5, 6].map((rank) => loewner.lowRank(layer, { rank, method: "lewis" })));
    const bad = { ...layer, data: layer.data.map((x, i) => (i === 50 ? NaN : x)) };
    const [failed] = await Promise.allSettled([loewner.leverageScores(bad), loewner.leverageScores(layer)]);
    loewner.dispose();
    return [...answers.flatMap(({ left }) => Array.from(left.data)), failed.reason.code, failed.reason.place.row];
  };`;

/** What is used of playwright-core, whose types are not installed when only src/ is checked. */
interface Tab {
  goto(url: string): Promise<unknown>;
  setDefaultTimeout(ms: number): void;
  waitForFunction(script: string): Promise<unknown>;
  evaluate(script: string): Promise<unknown>;
  workers(): unknown[];
}
type Browser = { newPage(): Promise<Tab>; close(): Promise<void> };

let folder: string;
let server: Server;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "loewner-threads-"));
  writeFileSync(join(folder, "main.js"), page);
  writeFileSync(join(folder, "index.html"), '<script type="module" src="./main.js"></script>');
  await build({ root: folder, logLevel: "error" });
  server = createServer(({ url = "/" }, response) => {
    const name = url === "/" ? "/index.html" : url;
    try {
      const body = readFileSync(join(folder, "dist", name));
      response.setHeader("content-type", name.endsWith(".js") ? "text/javascript" : "text/html").end(body);
    } catch {
      response.writeHead(404).end();
    }
  }).listen(0);
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

test("two threads in Chromium, without special headers, give the bytes of one in Node", async () => {
  const data = Float32Array.from(values, valueOf);
  const loewner = await createLoewner();
  const { left } = await loewner.lowRank({ data, rows: 3000, cols: 24 }, { rank: 5, method: "lewis" });
  const browser = await startChromium<Browser>();
  try {
    const tab = await browser.newPage();
    tab.setDefaultTimeout(patienceMs);
    await tab.goto(`http://localhost:${(server.address() as AddressInfo).port}/`);
    await tab.waitForFunction("window.answer");
    const answers: number[][] = [];
    for (const threads of [2, "auto"]) {
      answers.push((await tab.evaluate(`window.answer(${JSON.stringify(threads)})`)) as number[]);
      // The browser tells of their end later.
      await expect.poll(() => tab.workers().length).toBe(0);
    }
    const layer = { data: data.slice(0, 300 * 24), rows: 300, cols: 24 };
    const expected: unknown[] = [];
    for (const rank of [5, 6]) {
      const { left: one } = await loewner.lowRank(layer, { rank, method: "lewis" });
      expected.push(...one.data);
    }
    expect(await tab.evaluate("window.sideBySide(2)")).toEqual([...expected, "INVALID_INPUT", 2]);
    const hash = (numbers: ArrayLike<number>) =>
      createHash("sha256")
        .update(new Uint8Array(Float32Array.from(numbers).buffer))
        .digest("hex");
    expect(answers.map(hash)).toEqual([hash(left.data), hash(left.data)]);
  } finally {
    await browser.close();
  }
});
