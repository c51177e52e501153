// Several files exchanged for others, killed before each single call that changes the file system.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkTarget } from "../../src/formats/node-file.js";
import { ownedName } from "../../src/formats/node-owner.js";

const script = fileURLToPath(new URL("./exchange.mjs", import.meta.url));
const preload = new URL("./preload.mjs", import.meta.url).href;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "loewner-exchange-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const at = (name: string) => join(folder, name);
const all = ["data-1", "data-2", "main"];

function fill(old: readonly string[]): void {
  for (const name of readdirSync(folder)) rmSync(at(name));
  for (const name of old) writeFileSync(at(name), name === "main" ? "old data-1 data-2" : "old");
}

/** What the main file says it is, once everything that it names is of the same kind; "absent" without one. */
function state(): string {
  if (!existsSync(at("main"))) return "absent";
  const [kind, ...names] = readFileSync(at("main"), "utf8").split(" ");
  expect(names).toHaveLength(2);
  for (const name of names) expect(`${name} ${readFileSync(at(name), "utf8")}`).toBe(`${name} ${kind}`);
  return kind;
}

let links = true;
const exchange = (force: boolean, named: boolean, kill?: number, ...more: string[]) =>
  spawnSync(process.execPath, ["--import", preload, script, folder, String(force), String(named), ...more], {
    ...{
      encoding: "utf8",
      env: {
        ...process.env,
        FAULT_KILL_AT: String(kill ?? 0),
        FAULT_COUNT: at("calls"),
        FAULT_NO_LINKS: links ? "" : "1",
      },
    },
  });

/** The states seen right after a kill, and after the next command has come by. */
async function killEverywhere(old: readonly string[], force: boolean, named: boolean) {
  fill(old);
  expect(exchange(force, named)).toMatchObject({ status: 0, stderr: "" });
  const calls = Number(readFileSync(at("calls"), "utf8"));
  const after = new Set<string>();
  const settled = new Set<string>();
  for (let kill = 1; kill <= calls; ++kill) {
    fill(old);
    expect(exchange(force, named, kill).signal).toBe("SIGKILL");
    after.add(state());
    await checkTarget(at("another")); // as any command does before it writes there
    settled.add(state());
    const kept = state() === "new" ? all : old;
    expect(readdirSync(folder).sort(), `killed before call ${kill} of ${calls}`).toEqual([...kept].sort());
  }
  return { calls, after: [...after].sort(), settled: [...settled].sort() };
}

describe("killed before each call", () => {
  test("where nothing was: nothing or all of it", async () => {
    const { calls, after, settled } = await killEverywhere([], false, true);
    expect(calls).toBeGreaterThan(15);
    expect(after).toEqual(["absent", "new"]);
    expect(settled).toEqual(["absent", "new"]);
  });

  test("files that a main file names: old or new, and whole, at any moment", async () => {
    const { after, settled } = await killEverywhere(all, true, true);
    expect(after).toEqual(["new", "old"]);
    expect(settled).toEqual(["new", "old"]);
  });

  test("files that stand for themselves: never old and new together; the next command finishes it", async () => {
    const { after, settled } = await killEverywhere(all, true, false);
    expect(after).toEqual(["absent", "new", "old"]);
    expect(settled).toEqual(["new", "old"]);
  });

  test("without hard links: never old and new together either", async () => {
    links = false;
    try {
      expect((await killEverywhere([], false, true)).settled).toEqual(["absent", "new"]);
      const { after, settled } = await killEverywhere(all, true, true);
      expect(after).toEqual(["absent", "new", "old"]);
      expect(settled).toEqual(["new", "old"]);
    } finally {
      links = true;
    }
  });

  test("files in two folders: never old and new together, and the old main file is there", async () => {
    mkdirSync(at("elsewhere"));
    const main = at("elsewhere/main");
    const reset = () => {
      for (const name of ["data-1", "data-2"]) writeFileSync(at(name), "old");
      for (const name of readdirSync(at("elsewhere"))) rmSync(at(`elsewhere/${name}`));
      writeFileSync(main, "old");
    };
    reset();
    expect(exchange(true, false, 0, at("elsewhere")).status).toBe(0);
    const calls = Number(readFileSync(at("calls"), "utf8"));
    const seen = new Set<string>();
    for (let kill = calls - 24; kill <= calls; ++kill) {
      reset();
      exchange(true, false, kill, at("elsewhere"));
      for (const place of ["another", "elsewhere/another"]) await checkTarget(at(place));
      const kind = existsSync(main) ? readFileSync(main, "utf8").slice(0, 3) : "absent";
      seen.add(kind);
      const data = ["data-1", "data-2"].map((name) => readFileSync(at(name), "utf8"));
      if (kind !== "absent") expect(data).toEqual([kind, kind]);
      else {
        const [kept] = readdirSync(at("elsewhere"));
        expect([kept, readFileSync(at(`elsewhere/${kept}`), "utf8")]).toEqual([expect.stringMatching(/^main\..*\.part$/), "old"]); // prettier-ignore
      }
    }
    expect([...seen].sort()).toEqual(["absent", "new", "old"]);
  });

  test("an old main file without its data, and one of several data files", async () => {
    for (const old of [["main", "data-1"], ["data-2"]]) {
      fill(old);
      expect(exchange(true, true).status).toBe(0);
      expect(state()).toBe("new");
      expect(readdirSync(folder).sort()).toEqual(["calls", ...all]);
    }
  });
});

describe("what others left", () => {
  const ending = (name: string, tag: string) => name.replace(/\d+-\d+-[0-9a-f]{8}/, tag);
  const [, pid, start, host] = /\.(\d+)-(\d+)-([0-9a-f]{8})-/.exec(ownedName("x", "tmp"))!;
  const temporary = (tag: string) => ending(ownedName(at("x"), "tmp"), tag);

  test.each([
    ["a process that runs", `${pid}-${start}-${host}`, true],
    ["one that is gone", `4194304-1-${host}`, false],
    ["one whose id another has now", `${pid}-${Number(start) + 1}-${host}`, start === "0"],
    ["one of another machine, lately", `4194304-1-00000000`, true],
  ])("temporary files of %s", async (_, tag, stays) => {
    writeFileSync(temporary(tag), "");
    writeFileSync(at(".notes.tmp"), "somebody else's");
    await checkTarget(at("out"));
    expect(readdirSync(folder)).toHaveLength(stays ? 2 : 1);
    expect(existsSync(at(".notes.tmp"))).toBe(true);
  });

  test("those of another machine go after a week", async () => {
    const { utimesSync } = await import("node:fs");
    const path = temporary("4194304-1-00000000");
    writeFileSync(path, "");
    utimesSync(path, new Date(), new Date(Date.now() - 8 * 86_400_000));
    await checkTarget(at("out"));
    expect(readdirSync(folder)).toEqual([]);
  });

  test.each([
    '{"files":[{"temporary":"x","target":"../victim","inode":"1"}],"replaces":true}',
    '{"files":null}',
    "null",
    "{",
    "",
  ])("a record that is not ours, %s: nothing is moved", async (text) => {
    writeFileSync(at("victim"), "mine");
    writeFileSync(ending(ownedName(at("main"), "swap"), `4194304-1-${host}`), text);
    await checkTarget(at("out"));
    expect(readdirSync(folder)).toEqual(["victim"]);
  });

  test("a record that names files elsewhere moves nothing there", async () => {
    const victim = at("victim");
    writeFileSync(victim, "mine");
    const tag = `4194304-1-${host}`;
    const name = (target: string) => ending(ownedName(target, "tmp"), tag).slice(folder.length + 1);
    const files = [
      { temporary: name(at("a")), target: "../victim", inode: "1" },
      { temporary: `../${name(at("b"))}`, target: "victim", inode: "2" },
    ];
    for (const one of files) {
      const record = JSON.stringify({ files: [one, one], replaces: true });
      writeFileSync(ending(ownedName(at("main"), "swap"), tag), record);
      await checkTarget(at("out"));
    }
    expect(readFileSync(victim, "utf8")).toBe("mine");
  });
});
