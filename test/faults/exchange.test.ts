// Several files put in place of others, killed before each single call that changes the file system; and what strangers leave beside them.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ByteSink } from "../../src/formats/index.js";
import { checkTarget, writeAllAtomically } from "../../src/node/files/file.js";
import { ownedName } from "../../src/node/files/owner.js";
import { asidesIn } from "../../src/node/files/publish.js";
import { openJournal } from "../../src/node/journal/journal.js";
import { run, writeMatrix } from "../cli/run.js";

const script = fileURLToPath(new URL("./exchange.mjs", import.meta.url));
const preload = new URL("./preload.mjs", import.meta.url).href;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "loewner-exchange-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const at = (name: string) => join(folder, name);

/** Where the main file lies; the data files lie in the folder itself. */
let mainFolder = ".";
const all = () => ["data-1", "data-2", join(mainFolder, "main")];
const listing = () => [...new Set([".", mainFolder])].flatMap((each) => readdirSync(at(each)).map((name) => join(each, name))).filter((name) => statSync(at(name)).isFile() && name !== "calls"); // prettier-ignore

function fill(old: readonly string[]): void {
  for (const name of listing()) rmSync(at(name));
  for (const name of old) writeFileSync(at(name), basename(name) === "main" ? "old data-1 data-2" : "old");
}

/** What the main file says it is, once everything that it names is of the same kind; "absent" without one. */
function state(): string {
  const main = at(join(mainFolder, "main"));
  if (!existsSync(main)) return "absent";
  const [kind, ...names] = readFileSync(main, "utf8").split(" ");
  expect(names).toHaveLength(2);
  for (const name of names) expect(`${name} ${readFileSync(at(name), "utf8")}`).toBe(`${name} ${kind}`);
  return kind;
}

let links = true;
const exchange = (force: boolean, kill?: number) =>
  spawnSync(process.execPath, ["--import", preload, script, folder, String(force), at(mainFolder)], {
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

/** Undisturbed, in this process. */
function exchangeHere(): Promise<void> {
  const file = (name: string, text: string) => ({
    path: at(name),
    write: (sink: ByteSink) => sink.write(new TextEncoder().encode(text)),
  });
  const [one, two, main] = all();
  return writeAllAtomically([file(one, "new"), file(two, "new"), file(main, "new data-1 data-2")], { force: true });
}

/** The states seen after a kill before each of the calls that put files in place, and of some before. */
async function killEverywhere(old: readonly string[], force: boolean) {
  fill(old);
  expect(exchange(force)).toMatchObject({ status: 0, stderr: "" });
  expect(listing().sort()).toEqual(all().sort());
  const calls = Number(readFileSync(at("calls"), "utf8"));
  const seen = new Set<string>();
  for (let kill = Math.max(1, calls - 32); kill <= calls; ++kill) {
    const moment = `killed before call ${kill} of ${calls}`;
    fill(old);
    expect(exchange(force, kill).signal).toBe("SIGKILL");
    const found = state();
    // As any command does before it writes there.
    for (const place of ["another", join(mainFolder, "another")]) await checkTarget(at(place));
    const asides = [...new Set([".", mainFolder])].flatMap((each) => asidesIn(at(each)));
    const left = listing().filter((name) => !all().includes(name));
    expect(new Set(left.map(at)), moment).toEqual(new Set(asides));
    seen.add(asides.length ? `${found}, old aside` : found);
    if (old.length > 0 && found === "absent") expect(asides, moment).not.toEqual([]);
    // By hand: what is aside goes back to its name.
    for (const aside of asides) {
      const name = join(dirname(aside), basename(aside).replace(/\.\d+-\d+-[0-9a-f]{8}-[0-9a-f]{12}\.old$/, ""));
      expect(readFileSync(aside, "utf8"), moment).toMatch(/^old/);
      if (found === "absent") renameSync(aside, name);
      else rmSync(aside);
    }
    if (asides.length) expect(state(), moment).toBe(found === "absent" ? "old" : "new");
    await exchangeHere();
    expect([state(), listing().sort()], moment).toEqual(["new", all().sort()]);
  }
  return { calls, seen: [...seen].sort() };
}

describe("killed before each call", () => {
  afterEach(() => {
    links = true;
    mainFolder = ".";
  });

  test("where nothing was: no main file, or all of it", async () => {
    const { calls, seen } = await killEverywhere([], false);
    expect(calls).toBeGreaterThan(15);
    expect(seen).toEqual(["absent", "new"]);
  });

  test.each([
    [true, "."],
    [false, "."],
    [true, "elsewhere"],
  ])(
    "where old files were: old or new, or the old ones aside under names that are told (hard links: %s, main file in %s)",
    async (hard, place) => {
      // prettier-ignore
      links = hard;
      mainFolder = place;
      mkdirSync(at(place), { recursive: true });
      const { seen } = await killEverywhere(all(), true);
      expect(seen).toEqual(["absent, old aside", "new", "new, old aside", "old"]);
    },
  );

  test("without hard links, where nothing was", async () => {
    links = false;
    expect((await killEverywhere([], false)).seen).toEqual(["absent", "new"]);
  });

  test.each([[["main", "data-1"]], [["data-2"]], [["main"]]])("undisturbed, where only %s was", async (old) => {
    fill(old);
    expect(exchange(true).status).toBe(0);
    expect([state(), listing().sort()]).toEqual(["new", all().sort()]);
  });
});

describe("what others left", () => {
  const ending = (name: string, tag: string) => name.replace(/\d+-\d+-[0-9a-f]{8}/, tag);
  const [, pid, start, host] = /\.(\d+)-(\d+)-([0-9a-f]{8})-/.exec(ownedName("x", "tmp"))!;
  const gone = `4194304-1-${host}`;
  const named = (target: string, kind: string, tag = gone) => ending(ownedName(at(target), kind), tag);
  const aside = (target: string, tag = gone) => at(basename(named(target, "old", tag)).slice(1));

  test.each([
    ["a process that runs", `${pid}-${start}-${host}`, true],
    ["one that is gone", gone, false],
    ["one whose id another has now", `${pid}-${Number(start) + 1}-${host}`, start === "0"],
    ["one of another machine", `4194304-1-00000000`, true],
  ])("temporary files of %s", async (_, tag, stays) => {
    const path = named("x", "tmp", tag);
    writeFileSync(path, "");
    utimesSync(path, new Date(0), new Date(0));
    writeFileSync(at(".notes.tmp"), "somebody else's");
    await checkTarget(at("out"));
    expect(readdirSync(folder)).toHaveLength(stays ? 2 : 1);
    expect(existsSync(at(".notes.tmp"))).toBe(true);
  });

  /** Everything that a file could be which has a name of ours. */
  const planted: Record<string, (path: string) => void> = {
    "a pipe": (path) => void spawnSync("mkfifo", [path]),
    "a link": (path) => symlinkSync("notes", path),
    "a folder": (path) => mkdirSync(path),
    text: (path) => writeFileSync(path, "{"),
  };

  test.each(Object.entries(planted))(
    "%s under any name of ours: nothing hangs, nothing of others is touched",
    async (what, plant) => {
      // prettier-ignore
      await writeMatrix(folder, "A.npy", Float64Array.from({ length: 40 }, (_, i) => Math.sin(i * i)), [10, 4]);
      writeFileSync(at("notes"), "mine");
      const entry = "0".repeat(24);
      const names = [named("L.npy", "tmp"), named("L.npy", "swap"), named("m", "old"), aside("L.npy"), aside("R.npy", "4194304-1-00000000")]; // prettier-ignore
      names.forEach(plant);
      for (const force of [[], ["--force"]]) {
        const { status, stderr } = run(folder, "low-rank", "A.npy", "--rank", "2", "--left", "L.npy", "--right", "R.npy", ...force); // prettier-ignore
        expect(status).toBe(0);
        for (const name of ["L.npy", "R.npy"]) expect(stderr.includes(`${name}.4194304-1-`)).toBe(what === "text");
      }
      for (const name of names) expect(lstatSync(name, { throwIfNoEntry: false })?.isFile(), name).toBe(name.endsWith(".tmp") && what === "text" ? undefined : what === "text"); // prettier-ignore
      mkdirSync(at("small.partial"));
      plant(at("small.partial/journal.json"));
      expect(() => openJournal(at("small"), { version: "1" })).toThrow(/small\.partial is in the way/);
      rmSync(at("small.partial"), { recursive: true });
      mkdirSync(at("small.partial"));
      writeFileSync(at("small.partial/journal.json"), "");
      for (const name of ["journal.7.json", `${entry}.json`, `${entry}.0`]) plant(at(`small.partial/${name}`));
      const journal = openJournal(at("small"), { version: "1", resume: true });
      expect(await journal.find("x", "k")).toEqual({ state: "absent" });
      await journal.finish();
      expect(readFileSync(at("notes"), "utf8")).toBe("mine");
    },
  );

  test("a record of an exchange, as earlier versions wrote them, moves and removes nothing", async () => {
    for (const name of ["notes", "model.safetensors", "main"]) writeFileSync(at(name), `my ${name}`);
    const inode = (name: string) => String(statSync(at(name), { bigint: true }).ino);
    const temporary = (target: string) => basename(named(target, "tmp"));
    const files = ["notes", "model.safetensors", "main"].map((target) => ({ temporary: temporary("x"), target, inode: inode(target) })); // prettier-ignore
    const records = [
      { files: files.slice(0, 2), replaces: true },
      { files: [...files.slice(0, 2), { ...files[2], inode: "1" }], replaces: false },
      { files: [...files.slice(0, 2), { ...files[2], target: "none" }], replaces: true },
    ];
    for (const record of records) {
      writeFileSync(named("main", "swap"), JSON.stringify(record));
      await checkTarget(at("out"));
    }
    for (const name of ["notes", "model.safetensors", "main"]) expect(readFileSync(at(name), "utf8")).toBe(`my ${name}`); // prettier-ignore
  });

  test("an old file that was set aside is told by name until a person has looked, also where only reading fails", async () => {
    await writeMatrix(
      folder,
      "A.npy",
      Float64Array.from({ length: 40 }, (_, i) => Math.sin(i * i)),
      [10, 4],
    );
    const kept = aside("s.npy");
    writeFileSync(kept, "the only copy");
    for (const line of [
      ["leverage", "A.npy", "-o", "s.npy", "--quiet"],
      ["leverage", "A.npy", "-o", "s.npy", "--force"],
      ["leverage", "s2.npy", "-o", "x.npy"],
    ]) {
      // prettier-ignore
      const { stderr } = run(folder, ...line);
      expect(stderr.split("\n")[0]).toBe(`loewner: ${basename(kept)} is an old file that a run had set aside to replace it, and was killed. Move it back to its name, or remove it.`); // prettier-ignore
    }
    expect(readdirSync(folder).filter((name) => name.endsWith(".old"))).toHaveLength(1);
  });
});
