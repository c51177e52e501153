// A page of a folder in Chromium, served as a strict host would.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { startChromium } from "../chromium.js";

/** What is used of playwright-core, whose types are not installed when only src/ is checked. */
export interface Tab {
  goto(url: string): Promise<unknown>;
  evaluate<T>(script: string): Promise<T>;
  locator(selector: string): { setInputFiles(path: string): Promise<void>; textContent(): Promise<string | null> };
  on(event: "pageerror" | "requestfailed" | "request", take: (what: { url?(): string }) => void): void;
}
interface Browser {
  newPage(): Promise<Tab>;
  close(): Promise<void>;
}

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

/** Nothing from elsewhere, nothing inline, no eval: WebAssembly alone may be compiled. */
export const strictPolicy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";

/** Waits in the page itself: playwright's own way is eval, which the policy forbids. */
export async function until(tab: Tab, condition: string): Promise<void> {
  await tab.evaluate(`new Promise((done) => {
    const look = () => ((${condition}) ? done() : setTimeout(look, 20));
    look();
  })`);
}

export interface Host {
  browser: Browser;
  /** Of the folder, with a slash at the end. */
  url: string;
  close(): Promise<void>;
}

/**
 * @param folder its files are served, and nothing else
 * @param policy of a page by its path; the strict one by default
 */
export async function hostInChromium(folder: string, policy = (_path: string) => strictPolicy): Promise<Host> {
  const server = createServer(async ({ url = "/" }, response) => {
    const { pathname } = new URL(url, "http://localhost");
    try {
      const body = await readFile(join(folder, pathname));
      const headers = { "content-type": types[extname(pathname)] ?? "application/octet-stream" };
      response.writeHead(200, { ...headers, "content-security-policy": policy(pathname) }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const browser = await startChromium<Browser>();
  return {
    browser,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async close() {
      await browser.close();
      server.close();
    },
  };
}
