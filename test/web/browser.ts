// The built page in Chromium, served as `loewner serve` does it: with its Content-Security-Policy, and every request counted.
import { existsSync } from "node:fs";
import type { Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { pageServer } from "../../src/cli/page-server.js";

const folder = fileURLToPath(new URL("../../dist/web/", import.meta.url));

/** What is used of playwright-core, whose types are not installed when only src/ is checked. */
export interface Tab {
  goto(url: string): Promise<unknown>;
  reload(): Promise<unknown>;
  on(event: string, take: (what: never) => void): void;
  evaluate<T>(script: string | ((argument: never) => T | Promise<T>), argument?: unknown): Promise<T>;
  addInitScript(script: string): Promise<unknown>;
  waitForEvent(event: "download"): Promise<{ path(): Promise<string>; suggestedFilename(): string }>;
  setInputFiles(selector: string, files: readonly NamedBytes[]): Promise<void>;
  click(selector: string): Promise<void>;
  check(selector: string): Promise<void>;
  uncheck(selector: string): Promise<void>;
  fill(selector: string, text: string): Promise<void>;
  press(selector: string, key: string): Promise<void>;
  selectOption(selector: string, value: string): Promise<unknown>;
  textContent(selector: string): Promise<string>;
  isVisible(selector: string): Promise<boolean>;
  setViewportSize(size: { width: number; height: number }): Promise<void>;
  emulateMedia(media: { colorScheme: "light" | "dark" }): Promise<void>;
  context(): TabContext;
  close(): Promise<void>;
}

interface NamedBytes {
  readonly name: string;
  readonly mimeType: string;
  readonly buffer: Buffer;
}

export interface Chromium {
  newContext(options?: object): Promise<TabContext>;
  close(): Promise<void>;
}

export interface TabContext {
  newPage(): Promise<Tab>;
  setDefaultTimeout(ms: number): void;
  setOffline(offline: boolean): Promise<void>;
  newCDPSession(tab: Tab): Promise<{ send(method: string, parameters: object): Promise<unknown> }>;
  close(): Promise<void>;
}

export interface Served {
  readonly address: string;
  /** Paths that were asked for, in order. */
  readonly requests: string[];
  close(): void;
}

export async function servePage(): Promise<Served> {
  if (!existsSync(`${folder}index.html`)) throw new Error('The page is not built: "node scripts/setup.mjs --page".');
  const requests: string[] = [];
  const server: Server = pageServer(folder);
  server.on("request", ({ url = "" }) => {
    // A browser looks when it likes whether there is a newer one.
    if (url !== "/service-worker.js") requests.push(url);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { address, requests, close };
}

export const axePath = () => createRequire(new URL("../runtimes/", import.meta.url)).resolve("axe-core/axe.min.js");

/** What went wrong in a tab that nobody saw. */
export function watch(tab: Tab): string[] {
  const faults: string[] = [];
  tab.on("console", (message: { type(): string; text(): string }) => {
    if (message.type() === "error") faults.push(message.text());
  });
  tab.on("pageerror", (error: Error) => faults.push(error.message));
  return faults;
}

export const file = (name: string, bytes: Uint8Array | string): NamedBytes => ({
  name,
  mimeType: "application/octet-stream",
  buffer: Buffer.from(bytes as Uint8Array),
});

/** A drop, as the browser makes one. */
export async function drop(tab: Tab, files: readonly NamedBytes[]): Promise<void> {
  const plain = files.map(({ name, buffer }) => ({ name, text: buffer.toString("base64") }));
  await tab.evaluate(`(() => {
    const transfer = new DataTransfer();
    for (const { name, text } of ${JSON.stringify(plain)})
      transfer.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name));
    for (const type of ["dragenter", "dragover", "drop"])
      document.getElementById("drop").dispatchEvent(
        new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }),
      );
  })()`);
}

/**
 * A drop of what lies on the disk, a folder too, as the system hands it to the browser. A browser that has not heard yet that the page
 * takes it makes it a drag that leaves: then it is dropped again.
 */
export async function dropPath(tab: Tab, path: string): Promise<void> {
  const browser = await tab.context().newCDPSession(tab);
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  await tab.evaluate(`void (() => {
    globalThis.lastDrag = "";
    for (const type of ["drop", "dragleave"])
      document.addEventListener(type, () => (globalThis.lastDrag = type), { capture: true, once: true });
  })()`);
  for (const type of ["dragEnter", "dragOver", "dragOver", "drop"])
    await browser.send("Input.dispatchDragEvent", { type, x: 200, y: 300, data });
  await until(tab, "globalThis.lastDrag");
  if ((await tab.evaluate("globalThis.lastDrag")) !== "drop") await dropPath(tab, path);
}

/** Moves the slider as a hand would, a value at a time. */
export const slide = (tab: Tab, value: number) =>
  tab.evaluate(`(() => {
    const slider = document.getElementById("slider");
    for (const at of [slider.value, ${value}]) {
      slider.value = String(at);
      slider.dispatchEvent(new Event("input", { bubbles: true }));
    }
  })()`);

/**
 * Resolves once the expression is true; rejects once the page says that it has a fault of its own. Asked again and again from outside:
 * what would wait inside the page is a string that is evaluated there, which the page's policy refuses.
 */
export async function until(tab: Tab, expression: string, seconds = 120): Promise<void> {
  const deadline = Date.now() + 1000 * seconds;
  const faults = '[...document.querySelectorAll(".fault")].map((it) => it.textContent).join(" ")';
  while (!(await tab.evaluate(`Boolean(${expression})`))) {
    const said = await tab.evaluate<string>(faults);
    if (Date.now() > deadline || said.includes("this is a fault of the page"))
      throw new Error(`It is not so, after ${seconds} s or a fault of the page: ${expression}. The page says: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Resolves once an element has text that the expression matches. */
export const untilText = (tab: Tab, id: string, pattern: RegExp) =>
  until(tab, `${String(pattern)}.test(document.getElementById("${id}").textContent)`);

export const untilShown = (tab: Tab, id: string) => until(tab, `document.getElementById("${id}")?.hidden === false`);
