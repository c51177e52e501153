// What several files need and one makes: in a folder of the whole run.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { inject } from "vitest";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    runFolder: string;
  }
}

/** vitest's globalSetup. */
export default function setup({ provide }: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), "loewner-run-"));
  provide("runFolder", folder);
  return () => rmSync(folder, { recursive: true, force: true });
}

/** The folder of that name, filled by whoever comes first; the others wait. Nobody may change what is in it. */
export async function once(name: string, fill: (folder: string) => void): Promise<string> {
  const folder = join(inject("runFolder"), name);
  const filled = `${folder}.filled`;
  try {
    mkdirSync(folder);
  } catch {
    while (!existsSync(filled)) await delay(20);
    return folder;
  }
  try {
    fill(folder);
  } finally {
    writeFileSync(filled, "");
  }
  return folder;
}
