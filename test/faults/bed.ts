// One kind of output in a folder of its own: run undisturbed once, then disturbed again and again, and looked at after each time.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { asidesIn } from "../../src/node/files/publish.js";
import { makeInputs, type Kind } from "./commands.js";

/** The program: the one that was built, or another copy of it. */
export const program = process.env.FAULTS_PROGRAM ?? fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const preload = new URL("./preload.mjs", import.meta.url).href;

/** absent: no main file. Where there was one, the old files are there still, some of them aside. */
export type State = "absent" | "old" | "new";

export interface Ended {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stderr: string;
}

type Files = ReadonlyMap<string, Buffer>;

export class Bed {
  private constructor(
    readonly kind: Kind,
    readonly folder: string,
    private readonly inputs: Files,
    /** What an undisturbed run writes; and one with another size, which is there before runs with --force. */
    readonly whole: Files,
    readonly old: Files,
    readonly seconds: number,
    /** Calls that change the file system, without and with old files. */
    readonly calls: { fresh: number; force: number },
  ) {}

  static async open(kind: Kind): Promise<Bed> {
    const folder = mkdtempSync(join(tmpdir(), "loewner-faults-"));
    await makeInputs(kind, folder);
    const inputs = filesIn(join(folder, "in"), readdirSync(join(folder, "in")));
    const started = performance.now();
    await succeed(folder, kind.args("other"));
    const seconds = (performance.now() - started) / 1000;
    const old = filesIn(join(folder, "out"), kind.outputs);
    const count = async (args: string[]) => {
      await succeed(folder, args, { FAULT_COUNT: join(folder, "calls") });
      return Number(readFileSync(join(folder, "calls"), "utf8"));
    };
    const force = await count([...kind.args("this"), "--force"]);
    rmSync(join(folder, "out"), { recursive: true });
    await makeOut(folder);
    const fresh = await count(kind.args("this"));
    return new Bed(kind, folder, inputs, filesIn(join(folder, "out"), kind.outputs), old, seconds, { fresh, force });
  }

  get out(): string {
    return join(this.folder, "out");
  }

  /** The folder of the outputs as it is before a run: empty, or with the old files. Inputs are as they were. */
  async reset(force: boolean): Promise<void> {
    for (const name of readdirSync(this.out)) rmSync(join(this.out, name), { recursive: true });
    if (force) for (const [name, bytes] of this.old) writeFileSync(join(this.out, name), bytes);
    rmSync(join(this.folder, "in"), { recursive: true });
    await makeOut(this.folder, "in");
    for (const [name, bytes] of this.inputs) writeFileSync(join(this.folder, "in", name), bytes);
  }

  /** The command, with --force where there are old files. */
  start(args: readonly string[], env: Record<string, string> = {}): { child: ChildProcess; ended: Promise<Ended> } {
    return start(this.folder, [...this.kind.args("this"), ...args], env);
  }

  /** @throws unless what is there is whole: nothing, the old files, or the new ones; or the old ones with some set aside. */
  async check(force: boolean, { inputs = true } = {}): Promise<State> {
    for (const [name, bytes] of inputs ? this.inputs : [])
      if (!readFileSync(join(this.folder, "in", name)).equals(bytes)) throw new Error(`the input ${name} was changed`);
    const state = this.state();
    const there = [...this.kind.outputs.map((name) => join(this.out, name)), ...asidesIn(this.out)];
    for (const [name, bytes] of state === "absent" && force ? this.old : [])
      if (!there.some((path) => basename(path).startsWith(name) && existsSync(path) && readFileSync(path).equals(bytes))) throw new Error(`lost ${name}: ${readdirSync(this.out).join(", ")}`); // prettier-ignore
    if (state === "old" && !force) throw new Error("old files where there were none");
    return state;
  }

  private state(): State {
    const { outputs } = this.kind;
    const mainName = outputs[outputs.length - 1];
    if (!existsSync(join(this.out, mainName))) return "absent";
    for (const [state, files] of [
      ["new", this.whole],
      ["old", this.old],
    ] as const)
      // prettier-ignore
      if (readFileSync(join(this.out, mainName)).equals(files.get(mainName)!)) {
        for (const name of outputs)
          if (!readFileSync(join(this.out, name)).equals(files.get(name)!))
            throw new Error(`${mainName} is ${state}, and ${name} is not`);
        return state;
      }
    throw new Error(`${mainName} is neither the old nor the new one`);
  }

  /**
   * The same command again, undisturbed: it ends well, or finds an output there already; then nothing but the outputs is in their
   * folder, and old files that are aside, each of which it names; the outputs are those of an undisturbed run.
   */
  async rerun(force: boolean, args: readonly string[] = []): Promise<void> {
    const asides = asidesIn(this.out).map((path) => basename(path));
    const refused = !force && this.kind.outputs.some((name) => existsSync(join(this.out, name)));
    const { status, stderr } = await this.start([...args, ...(force ? ["--force"] : [])]).ended;
    if (status !== (refused ? 1 : 0) || (refused && !stderr.includes("exists already")))
      throw new Error(`the rerun ended with ${status}: ${stderr}`);
    for (const aside of asides) if (!stderr.includes(aside)) throw new Error(`the rerun does not tell of ${aside}`);
    // A run without --force that was killed between its first file and its last.
    if (refused && this.state() === "absent") return this.rerun(true, args);
    if (this.state() !== "new") throw new Error("the rerun wrote other bytes");
    const left = readdirSync(this.out).sort();
    if (left.join() !== [...this.kind.outputs, ...asides].sort().join()) throw new Error(`the rerun left ${left.join(", ")}`); // prettier-ignore
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function start(folder: string, args: readonly string[], env: Record<string, string>) {
  const disturbed = Object.keys(env).length > 0 ? ["--import", preload] : [];
  const child = spawn(process.execPath, [...disturbed, program, ...args], {
    ...{ cwd: folder, env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "pipe"] },
  });
  let stderr = "";
  child.stderr!.on("data", (chunk) => (stderr += String(chunk)));
  const ended = once(child, "close").then(([status, signal]): Ended => ({ status, signal, stderr }));
  return { child, ended };
}

async function succeed(folder: string, args: readonly string[], env: Record<string, string> = {}): Promise<void> {
  const { status, stderr } = await start(folder, args, env).ended;
  if (status !== 0) throw new Error(`${args.join(" ")} ended with ${status}: ${stderr}`);
}

async function makeOut(folder: string, name = "out"): Promise<void> {
  const { mkdir } = await import("node:fs/promises");
  await mkdir(join(folder, name), { recursive: true });
}

function filesIn(folder: string, names: readonly string[]): Map<string, Buffer> {
  return new Map(names.map((name) => [name, readFileSync(join(folder, name))]));
}
