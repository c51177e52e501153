// A new tab for every test, in which nothing may go wrong unseen; what is taken from it, and the command line beside it.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import { patienceMs, startChromium } from "../chromium.js";
import { run, temporaryFolder } from "../cli/run.js";
import { servePage, untilShown, watch, type Chromium, type Served, type Tab, type TabContext } from "./browser.js";

export interface FreshTab {
  served: Served;
  context: TabContext;
  tab: Tab;
}

/** Its fields are those of the test that runs. */
export function freshTab(): FreshTab {
  const fresh = {} as FreshTab;
  let browser: Chromium | undefined;
  let faults: string[];
  beforeAll(async () => {
    fresh.served = await servePage();
    browser = await startChromium();
  });
  afterAll(async () => {
    await browser?.close();
    fresh.served?.close();
  });
  beforeEach(async () => {
    fresh.context = await browser!.newContext({ acceptDownloads: true, reducedMotion: "reduce" });
    fresh.context.setDefaultTimeout(patienceMs);
    fresh.tab = await fresh.context.newPage();
    faults = watch(fresh.tab);
    // Without a dialog to answer: files are handed over as blobs.
    await fresh.tab.addInitScript("delete window.showSaveFilePicker");
    await fresh.tab.goto(fresh.served.address);
  });
  afterEach(async () => {
    await fresh.context.close();
    expect(faults).toEqual([]);
  });
  return fresh;
}

export async function compress(tab: Tab): Promise<void> {
  await tab.click("#compress");
  await untilShown(tab, "result-title");
}

export async function saved(tab: Tab, place = "#result .downloads button") {
  const [download] = await Promise.all([tab.waitForEvent("download"), tab.click(place)]);
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

export const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** The command that the page shows, run in a folder with the same file. */
export function onCommandLine(
  command: string,
  name: string,
  bytes: Uint8Array,
  beside: Record<string, Uint8Array | string> = {},
): string {
  const folder = temporaryFolder();
  for (const [other, data] of Object.entries(beside)) writeFileSync(join(folder, other), data);
  writeFileSync(join(folder, name), bytes);
  // As a shell takes it apart: words, some of them between quotes.
  const words = [...command.replace(/^npx loewner /, "").matchAll(/'([^']*)'|(\S+)/g)];
  const { status, stderr } = run(folder, ...words.map(([, quoted, plain]) => quoted ?? plain));
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return folder;
}
