// The packed package in a Next.js application, built and served by Turbopack, which follows what workers import on its own.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLoewner } from "../../src/index.js";
import { hostInChromium, until, type Host } from "./chromium.js";
import { installPacked, tool } from "./packed.js";
import { answer } from "./program.mjs";

/** Beside the installed tools: Turbopack takes no package from outside of its root. */
const root = join(tool("."), "..");
const nextProgram = tool("next/dist/bin/next");

const files = {
  "next.config.mjs": `export default { output: "export", turbopack: { root: ${JSON.stringify(root)} } };\n`,
  "app/layout.js": `export default ({ children }) => <html><body>{children}</body></html>;\n`,
  "app/page.js": `"use client";
import { useEffect } from "react";
import { createLoewner } from "loewner";
import { answer } from "../program.mjs";

export default function Page() {
  useEffect(() => {
    globalThis.answer = (options) => answer(createLoewner, options);
  }, []);
  return <p>a test</p>;
}
`,
};

let folder: string;
let expected: string;
beforeAll(async () => {
  ({ folder } = await installPacked(root));
  mkdirSync(join(folder, "app"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  expected = await answer(createLoewner);
});
afterAll(() => folder && rmSync(folder, { recursive: true, force: true }));

async function expectAnswers({ browser }: Host, url: string): Promise<void> {
  const tab = await browser.newPage();
  const faults: unknown[] = [];
  tab.on("pageerror", (error) => faults.push(error));
  await tab.goto(url);
  await until(tab, "globalThis.answer");
  expect(await tab.evaluate("answer()")).toBe(expected);
  expect(await tab.evaluate("answer({ threads: 2 })")).toBe(expected);
  expect(faults).toEqual([]);
}

/** Next's command in the application's folder; what it says is kept for the case that it fails. */
function next(...args: string[]): { child: ChildProcess; said: () => string; ended: Promise<number | null> } {
  const child = spawn(process.execPath, [nextProgram, ...args], {
    cwd: folder,
    env: { ...process.env, NODE_ENV: undefined, NEXT_TELEMETRY_DISABLED: "1" },
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (part: Buffer) => (text += part.toString()));
  return { child, said: () => text, ended: new Promise((resolve) => child.on("close", resolve)) };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test("next build ends, and the exported page runs one thread and two", async () => {
  const { ended, said } = next("build");
  expect(await ended, said()).toBe(0);
  // Next's pages have scripts of their own within the page.
  const host = await hostInChromium(join(folder, "out"), () => "default-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'");
  try {
    await expectAnswers(host, `${host.url}index.html`);
  } finally {
    await host.close();
  }
});

test("next dev serves a page that runs one thread and two", async () => {
  const port = await freePort();
  const { child, said, ended } = next("dev", "--hostname", "127.0.0.1", "--port", String(port));
  const host = await hostInChromium(folder);
  try {
    await new Promise<void>((resolve, reject) => {
      child.stdout!.on("data", () => said().includes("Ready in") && resolve());
      void ended.then(() => reject(new Error(said())));
    });
    await expectAnswers(host, `http://127.0.0.1:${port}/`);
  } finally {
    await host.close();
    child.kill();
    await ended;
  }
});
