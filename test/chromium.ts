// Chromium, driven by playwright-core, for every test that looks at a page.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

interface Playwright {
  default: { chromium: { launch(options: object): Promise<unknown> } };
}

/** Longer than anything takes on a busy machine: playwright gives up after 30 s by itself. */
export const patienceMs = 240_000;

/** @typeParam Browser what is used of playwright-core's, whose types are not installed when only src/ is checked */
export async function startChromium<Browser>(): Promise<Browser> {
  const path = createRequire(new URL("./runtimes/", import.meta.url)).resolve("playwright-core");
  const { default: playwright } = (await import(pathToFileURL(path).href)) as Playwright;
  const browser = await playwright.chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox"], // a container's root cannot be sandboxed
    timeout: patienceMs,
  });
  return browser as Browser;
}
