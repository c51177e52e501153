// What a process that is killed, a full disk and inputs that fail do to files: nothing. A few of each here; many by
// `npm run faults -- --kills 200 --full 50 --shrink 50`.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, truncateSync, unlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { Bed, program, type Ended, type State } from "./bed.js";
import { kinds } from "./commands.js";

const wanted = (name: string, few: number) => Number(process.env[`FAULTS_${name}`] ?? few);
const counts = { kills: wanted("KILLS", 20), full: wanted("FULL", 6), shrink: wanted("SHRINK", 6) };
const seed = wanted("SEED", 1);
const random = randomFrom(seed);
const patience = 60_000 + 20_000 * Math.max(...Object.values(counts));

const beds = new Map<string, Promise<Bed>>();
function bedOf(at: number): Promise<Bed> {
  const kind = kinds[at % kinds.length];
  const bed = beds.get(kind.name) ?? Bed.open(kind);
  beds.set(kind.name, bed);
  return bed;
}
afterAll(async () => {
  for (const bed of beds.values()) (await bed).close();
});

/** mulberry32: the same moments for the same seed. */
function randomFrom(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** What happened, how often: printed, since a harness that never hits says nothing. */
class Tally {
  private readonly seen = new Map<string, number>();

  add(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }

  print(title: string): void {
    const all = [...this.seen].sort().map(([what, n]) => `${n} ${what}`);
    process.stdout.write(`${title} (seed ${seed}): ${all.join(", ")}\n`);
  }
}

const where = (bed: Bed, what: string) => `${bed.kind.name}, ${what} (seed ${seed})`;

/** An error that comes from a check says in which round. */
async function round(name: string, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
  }
}

test(`killed ${counts.kills} times`, { timeout: patience }, async () => {
  const tally = new Tally();
  for (let i = 0; i < counts.kills; ++i) {
    const bed = await bedOf(i);
    const force = random() < 0.5;
    const byCall = random() < 0.5;
    const moment = random();
    const resume = bed.kind.resumes && random() < 0.5 ? ["--resume"] : [];
    const calls = force ? bed.calls.force : bed.calls.fresh;
    // The exchange itself is a few calls out of many: every other kill by call is within the last of them.
    const call = random() < 0.5 ? Math.ceil(moment * calls) : calls - Math.floor(moment * 40);
    const milliseconds = moment * 1100 * bed.seconds;
    const at = byCall ? `before call ${call} of ${calls}` : `after ${milliseconds.toFixed(0)} ms`;
    await round(where(bed, `${force ? "replacing, " : ""}killed ${at}`), async () => {
      await bed.reset(force);
      const { child, ended } = bed.start(force ? ["--force"] : [], byCall ? { FAULT_KILL_AT: String(call) } : {});
      if (!byCall) setTimeout(() => child.kill("SIGKILL"), milliseconds).unref();
      const { status, signal, stderr } = await ended;
      expect({ status, signal, stderr }).toEqual(status === 0 ? { status: 0, signal: null, stderr: "" } : { status: null, signal: "SIGKILL", stderr: "" }); // prettier-ignore
      const state: State = await bed.check(force);
      const left = readdirSync(bed.out).filter((name) => !bed.kind.outputs.includes(name));
      tally.add(`${status === 0 ? "in time" : state}${left.length ? " with leftovers" : ""}`);
      await bed.rerun(force, resume);
    });
  }
  tally.print(`${counts.kills} kills`);
});

test(`a disk that fills up, ${counts.full} times`, { timeout: patience }, async () => {
  const tally = new Tally();
  for (let i = 0; i < counts.full; ++i) {
    const bed = await bedOf(i);
    const force = random() < 0.5;
    await bed.reset(force);
    const needed = bytesIn(bed.whole) + (force ? bytesIn(bed.old) : 0);
    const size = (force ? bytesIn(bed.old) : 0) + Math.ceil(random() * 1.3 * bytesIn(bed.whole)) + 16384;
    const disk = await smallDisk(bed, size, force);
    await round(where(bed, `${force ? "replacing, " : ""}a disk of ${size} bytes, ${needed} needed`), async () => {
      try {
        const ended = await disk.run(force ? ["--force"] : []);
        tally.add(`${disk.how}: ${outcomeOf(ended, noRoom)}`);
        const state = await bed.check(force);
        expect(state).toBe(ended.status === 0 ? "new" : force ? "old" : "absent");
        const left = readdirSync(bed.out).filter((name) => state === "absent" || !bed.kind.outputs.includes(name));
        expect(left).toEqual([]);
        disk.grow();
        await bed.rerun(force);
      } finally {
        disk.remove();
      }
    });
  }
  tally.print(`${counts.full} full disks`);
});

test(`inputs that shrink, go or cannot be read, ${counts.shrink} times`, { timeout: patience }, async () => {
  const tally = new Tally();
  for (let i = 0; i < counts.shrink; ++i) {
    const bed = await bedOf(i);
    const force = random() < 0.5;
    const { inputs } = bed.kind;
    const input = join(bed.folder, "in", inputs[Math.floor(random() * inputs.length)]);
    const how = random() < 0.7 ? "shrinks" : ["goes", "becomes a folder", "fails"][Math.floor(random() * 3)];
    const moment = random();
    const read = String(1 + Math.floor(moment * 30));
    const byRead = how === "fails" || (how === "shrinks" && random() < 0.6);
    await round(where(bed, `${basename(input)} ${how} at ${byRead ? `read ${read}` : moment.toFixed(3)}`), async () => {
      await bed.reset(force);
      const size = Math.floor(random() * statSync(input).size);
      const env: Record<string, string> =
        how === "fails" ? { FAULT_EIO_AT: read } : byRead ? { FAULT_CUT: input, FAULT_CUT_AT: read, FAULT_CUT_TO: String(size) } : {}; // prettier-ignore
      const { ended } = bed.start(force ? ["--force"] : [], env);
      if (!byRead) {
        await Promise.race([delay(moment * 1000 * bed.seconds), ended]);
        if (how === "shrinks") truncateSync(input, size);
        else if (how === "goes") unlinkSync(input);
        else {
          renameSync(input, join(bed.folder, "elsewhere"));
          mkdirSync(input);
        }
      }
      const done = await ended;
      // What a file that changed has become is told by its format, if it is read for the first time then.
      const told =
        /(changed|shrank) while it was being read|truncated|No such file|is a folder|holds no|empty|EIO|damaged|cut short/;
      tally.add(`${how}: ${outcomeOf(done, told)}`);
      const state = await bed.check(force, { inputs: false });
      expect(state).toBe(done.status === 0 ? "new" : force ? "old" : "absent");
      expect(readdirSync(bed.out).sort()).toEqual(state === "absent" ? [] : [...bed.kind.outputs].sort());
      rmSync(join(bed.folder, "elsewhere"), { force: true });
    });
  }
  tally.print(`${counts.shrink} inputs that fail`);
});

/** While it writes, or, of an output whose size is known, before. */
const noRoom = /no space left \((ENOSPC|EFBIG|EDQUOT)\); needed \d+ bytes|takes \d+ bytes, and .* has room for \d+/;

/** One line that says what happened, exit 1; or done all the same. */
function outcomeOf({ status, stderr }: Ended, told: RegExp): string {
  if (status === 0) {
    expect(stderr).toBe("");
    return "done all the same";
  }
  expect(status).toBe(1);
  expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  expect(stderr).toMatch(told);
  expect(stderr).not.toContain("bug in loewner");
  return told.exec(stderr)![0].replace(/; needed.*/, "");
}

function bytesIn(files: ReadonlyMap<string, Buffer>): number {
  return [...files.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

interface SmallDisk {
  readonly how: string;
  run(args: string[]): Promise<Ended>;
  grow(): void;
  remove(): void;
}

/** A file system of its own where that may be mounted, else a limit on the size of files: both are the system's refusal. */
async function smallDisk(bed: Bed, bytes: number, force: boolean): Promise<SmallDisk> {
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", bed.out]).status === 0;
  if (mounted) {
    const umount = () => void execFileSync("umount", [bed.out]);
    await bed.reset(force);
    return {
      how: "tmpfs",
      run: (args) => bed.start(args).ended,
      grow: () => void execFileSync("mount", ["-o", "remount,size=64m", bed.out]),
      remove: umount,
    };
  }
  const blocks = Math.max(1, Math.floor(bytes / 3 / 512));
  if (spawnSync("sh", ["-c", "ulimit -f 1"]).status !== 0)
    throw new Error("A full disk needs either mount (root) or a shell with ulimit -f; this machine allows neither.");
  return {
    how: "ulimit",
    async run(args) {
      const limited = `trap '' XFSZ; ulimit -f ${blocks}; exec "$0" "$@"`;
      const command = ["-c", limited, process.execPath, program, ...bed.kind.args("this"), ...args];
      const child = spawn("sh", command, { cwd: bed.folder, stdio: ["ignore", "ignore", "pipe"] });
      let stderr = "";
      child.stderr.on("data", (chunk) => (stderr += String(chunk)));
      const [status, signal] = await once(child, "close");
      return { status, signal, stderr };
    },
    grow: () => undefined,
    remove: () => undefined,
  };
}

test("the harness looks at what it should", async () => {
  const bed = await bedOf(3);
  await bed.reset(true);
  expect(await bed.check(true)).toBe("old");
  const [data, main] = bed.kind.outputs.map((name) => join(bed.out, name));
  truncateSync(data, 5);
  await expect(bed.check(true)).rejects.toThrow(/is old, and small.onnx_data is not/);
  unlinkSync(main);
  await expect(bed.check(true)).rejects.toThrow(/lost/);
  expect(existsSync(main)).toBe(false);
});
