// Runs that take over the folder of finished layers which a dead run has left (OUT.partial), at the same moment: one has it.
import { execFile } from "node:child_process";
import type * as fs from "node:fs";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type * as JournalFolder from "../../src/node/journal/folder.js";
import { ownTag } from "../../src/node/files/owner.js";

/** Called before each call of the file system, where it is set. */
const hook = vi.hoisted((): { between?: () => void } => ({}));
vi.mock("node:fs", async (original) => {
  const real = await original<typeof fs>();
  const wrap = (call: unknown) => (...args: unknown[]) => (hook.between?.(), (call as (...args: unknown[]) => unknown)(...args)); // prettier-ignore
  return Object.fromEntries(Object.entries(real).map(([name, each]) => [name, /Sync$/.test(name) ? wrap(each) : each]));
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "loewner-claim-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const host = ownTag.split("-")[2];
const gone = `4194304-1-${host}`;

function leaveJournal(output: string, owner = gone): void {
  mkdirSync(`${output}.partial`);
  writeFileSync(join(`${output}.partial`, "journal.json"), JSON.stringify({ loewner: "journal", owner }));
  writeFileSync(join(`${output}.partial`, `${"0".repeat(24)}.0`), "a part");
}

/** The modules as another process that runs would have them. */
async function asProcess(tag: string): Promise<typeof JournalFolder> {
  vi.resetModules();
  vi.doMock("../../src/node/files/owner.js", async (original) => ({ ...(await original<object>()), ownTag: tag }));
  const modules = await import("../../src/node/journal/folder.js");
  vi.doUnmock("../../src/node/files/owner.js");
  return modules;
}

test("two processes, 200 times: one has it, the other is told so", { timeout: 120_000 }, async () => {
  const rounds = 200;
  for (let round = 0; round < rounds; ++round) leaveJournal(join(folder, String(round)));
  const script = fileURLToPath(new URL("./claim.mjs", import.meta.url));
  const claim = async (...names: string[]) => {
    const { stdout } = await promisify(execFile)(process.execPath, [script, folder, String(rounds), ...names]);
    return JSON.parse(stdout) as string[];
  };
  const [a, b] = await Promise.all([claim("a", "b"), claim("b", "a")]);
  for (let round = 0; round < rounds; ++round) {
    const [owner, other] = a[round] === "owner" ? [a[round], b[round]] : [b[round], a[round]];
    expect([owner, other], `round ${round}`).toEqual(["owner", expect.stringMatching(/is being made already, by process \d+/)]); // prettier-ignore
    expect(readdirSync(join(folder, `${round}.partial`)).filter((name) => name.startsWith("journal"))).toHaveLength(1);
  }
});

describe("another comes between any two calls of the file system", () => {
  const out = () => join(folder, "small");
  const partial = () => `${out()}.partial`;
  const attempt = ({ claimJournal }: typeof JournalFolder) => {
    try {
      claimJournal(out());
      return true;
    } catch (error) {
      expect((error as Error).message).toMatch(/is being made already, by (process \d+|other processes)/);
      return false;
    }
  };
  const ownerNow = () =>
    readdirSync(partial())
      .filter((name) => name.startsWith("journal"))
      .map((name) => (JSON.parse(readFileSync(join(partial(), name), "utf8")) as { owner: string }).owner);

  const before: Record<string, () => void> = {
    "left by a dead run": () => leaveJournal(out()),
    "taken over before by one that died": () => {
      leaveJournal(out());
      writeFileSync(join(partial(), "journal.1.json"), JSON.stringify({ loewner: "journal", owner: gone }));
    },
    "not there": () => undefined,
    empty: () => mkdirSync(partial()),
    "marked, and nothing in the mark": () => {
      mkdirSync(partial());
      writeFileSync(join(partial(), "journal.json"), "");
    },
  };

  test.each(Object.keys(before))("the folder is %s", async (what) => {
    const mine = await asProcess(ownTag);
    const others = [await asProcess(`${process.ppid}-0-${host}`), await asProcess(`1-0-${host}`)];
    const finish = () => mine.removeJournal(partial());
    /** What others do meanwhile; true when one of them has the folder afterwards. */
    const meanwhiles: Record<string, () => boolean> = {
      "another claims it": () => attempt(others[0]),
      "another claims it and is done": () => (attempt(others[0]) && finish(), false),
      "one claims it and is done, a third claims it": () => (attempt(others[0]) && finish(), attempt(others[1])),
    };
    for (const [moment, meanwhile] of Object.entries(meanwhiles)) {
      let held = true;
      for (let call = 1; held; ++call) {
        rmSync(partial(), { recursive: true, force: true });
        before[what]();
        let calls = 0;
        let others = false;
        held = false; // until that many calls were made
        hook.between = () => {
          if (++calls !== call) return;
          hook.between = undefined;
          held = true;
          others = meanwhile();
        };
        const own = attempt(mine);
        hook.between = undefined;
        const at = `${moment} before call ${call}`;
        if (others) expect(own, at).toBe(false);
        if (own || others) expect(ownerNow(), at).toHaveLength(1);
        if (own) expect(ownerNow(), at).toEqual([ownTag]);
        if (!own && !others) expect(ownerNow(), at).toEqual([]);
      }
    }
    expect(readdirSync(folder)).toEqual(["small.partial"]);
  });
});
