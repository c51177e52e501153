// What is read is never written: every option of every command that names an output, set to every file that the command reads.
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { checkTarget, openFile, writeAllAtomically, writeAtomically } from "../../src/node/files/file.js";
import { keepOriginals } from "../../src/node/files/originals.js";
import { memorySink, writeSafetensorsIndex } from "../../src/formats/index.js";
import { openJournal } from "../../src/node/journal/journal.js";
import { failure } from "../formats/fixtures.js";
import { externalTensor, model, node, valueInfo } from "../formats/onnx/build.js";
import { run, temporaryFolder, tensor, writeMatrix, writeModel } from "./run.js";

/** A command as it is called with all that it reads, outputs left out. */
interface Call {
  readonly command: string;
  readonly args: readonly string[];
  /** What it reads, in its folder. */
  readonly reads: readonly string[];
}

const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
const onMatrix = (command: string, ...args: string[]): Call => ({
  ...{ command, args: ["A.npy", ...args, "--row-weights", "w.npy"], reads: ["A.npy", "w.npy"] },
});
const compress = (input: string, reads: string[], ...args: string[]): Call => ({
  ...{ command: "compress", args: [input, ...args], reads: [input, ...reads] },
});
const calls: Call[] = [
  onMatrix("leverage"),
  onMatrix("lewis-weights"),
  onMatrix("level-set"),
  onMatrix("sensitivities"),
  onMatrix("subspace", "--rank", "2"),
  onMatrix("coreset", "--size", "9"),
  onMatrix("low-rank", "--rank", "2"),
  onMatrix("entrywise", "--rank", "2"),
  { command: "min-volume", args: ["A.npy"], reads: ["A.npy"] },
  compress("m.safetensors", ["w.npy", "config.json"], "--keep", "0.5", "--row-weights", "w.npy"),
  compress("m.safetensors", ["tokenizer.json"], "--keep", "0.5", "--row-weights", "tokenizer.json"),
  compress("m.safetensors", ["plan.json"], "--plan", "plan.json"),
  compress("m.index.json", [...shards, "config.json"], "--keep", "0.5"),
  compress("m.onnx", ["m.data", "config.json"], "--keep", "0.5"),
  compress("m.onnx", ["ids.npy"], "--keep", "0.5", "--calibrate", "ids.npy", "--runtime", "web"),
  {
    ...{ command: "evaluate", args: ["m.onnx", "--data", "d.tsv", "--curve", "0.5", "--runtime", "web"] },
    reads: ["m.onnx", "m.data", "d.tsv", "tokenizer.json"],
  },
  { command: "expand", args: ["m.safetensors"], reads: ["m.safetensors", "config.json"] },
  { command: "inspect", args: ["m.safetensors"], reads: ["m.safetensors", "config.json"] },
  { command: "inspect", args: ["alone"], reads: ["alone/model.safetensors", "alone/config.json"] },
  { command: "inspect", args: ["m.index.json"], reads: ["m.index.json", ...shards, "config.json"] },
  { command: "inspect", args: ["m.onnx"], reads: ["m.onnx", "m.data", "config.json"] },
];

/** Options with a file that is read; whatever else takes a file writes it. */
const readOptions = new Set([
  ...["--row-weights", "--inputs", "compress --plan", "--calibrate", "--tokenizer"],
  ...["--data", "--passages", "--relevance"],
]);
/** Commands that write no file at all. */
const writesNothing = new Set(["verify", "serve", "worker", "cluster", "completion"]);

const sources = fileURLToPath(new URL("../../src/cli/", import.meta.url));
/** As main.ts makes them, in this process: a file of src/cli that adds a command is one. */
async function allCommands(): Promise<Command> {
  const program = new Command("loewner");
  for (const name of readdirSync(sources).sort()) {
    const [, add] = /^export function (add\w+)\(program: Command\)/m.exec(readFileSync(join(sources, name), "utf8")) ?? []; // prettier-ignore
    if (add !== undefined) (await import(/* @vite-ignore */ join(sources, name)))[add](program);
  }
  for (const command of [program, ...program.commands])
    command.exitOverride().configureOutput({ writeErr: () => undefined });
  return program;
}
const program = await allCommands();

function outputsOf(name: string) {
  const { options } = program.commands.find((command) => command.name() === name)!;
  return options.filter(
    ({ flags, long }) => /<file>/.test(flags) && !readOptions.has(long!) && !readOptions.has(`${name} ${long}`),
  );
}

/** An .npy file of `count` row numbers, int64. */
function idsFile(count: number): Buffer {
  const header = `{'descr': '<i8', 'fortran_order': False, 'shape': (${count},), }`.padEnd(117) + "\n";
  const start = Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, header.length, 0]);
  return Buffer.concat([start, Buffer.from(header), Buffer.from(new BigInt64Array(count).buffer)]);
}

let folder: string;
const inside = (name: string) => join(folder, "in", name);
const home = process.cwd();

beforeAll(async () => {
  folder = temporaryFolder();
  mkdirSync(inside("sub"), { recursive: true });
  const at = inside("");
  await writeMatrix(
    at,
    "A.npy",
    Float64Array.from({ length: 120 }, (_, i) => Math.sin(i * i)),
    [30, 4],
  );
  await writeMatrix(at, "w.npy", new Float64Array(30).fill(1), [30]);
  const tensors = [tensor("wte.weight", 30, 8), tensor("h.weight", 40, 8)];
  await writeModel(at, "m.safetensors", tensors);
  mkdirSync(inside("alone"));
  await writeModel(inside("alone"), "model.safetensors", tensors);
  writeFileSync(inside("alone/config.json"), "{}");
  for (const [i, each] of tensors.entries()) await writeModel(at, shards[i], [each]);
  const index = memorySink();
  const weightMap = new Map(tensors.map(({ name }, i) => [name, shards[i]]));
  await writeSafetensorsIndex(index, { metadata: new Map(), weightMap });
  writeFileSync(inside("m.index.json"), index.bytes());
  const [rows, cols] = [300, 8];
  writeFileSync(
    inside("m.onnx"),
    model({
      ...{ inputs: [valueInfo("ids", ["n"], 7)], outputs: [valueInfo("y", ["n", cols])] },
      nodes: [node("Gather", ["wte", "ids"], ["y"])],
      initializers: [externalTensor("wte", [rows, cols], { location: "m.data" })],
    }),
  );
  writeFileSync(inside("m.data"), new Uint8Array(Float32Array.from({ length: rows * cols }, (_, i) => Math.sin(i)).buffer)); // prettier-ignore
  writeFileSync(inside("ids.npy"), idsFile(6));
  writeFileSync(inside("d.tsv"), "text\tlabel\na\t1\n");
  writeFileSync(inside("config.json"), "{}");
  copyFileSync(fileURLToPath(new URL("../fixtures/tokenizers/wordpiece.json", import.meta.url)), inside("tokenizer.json")); // prettier-ignore
  symlinkSync("in", join(folder, "other-way"));
  process.chdir(folder);
  await program.parseAsync(["inspect", "in/m.safetensors", "--spectrum", "none", "--plan", "in/plan.json", "--quiet"], { from: "user" }); // prettier-ignore
  process.chdir(inside(""));
});
afterAll(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true, force: true });
});

/** Name, inode, links and bytes of everything. */
const state = () =>
  (readdirSync(inside(""), { recursive: true }) as string[])
    .filter((name) => statSync(inside(name)).isFile())
    .map((name) => `${name} ${statSync(inside(name)).ino} ${statSync(inside(name)).nlink} ${readFileSync(inside(name), "hex")}`); // prettier-ignore

/** Ways to the same file; those that make something take it away again. */
const ways: Record<string, (name: string) => string> = {
  "the same name": (name) => name,
  "./": (name) => `./${name}`,
  "a folder and ..": (name) => `sub/../${name}`,
  "an absolute path": (name) => inside(name),
  "a link to the folder": (name) => `../other-way/${name}`,
  "a symbolic link": (name) => (symlinkSync(name, inside("link")), "link"),
  "a hard link": (name) => (linkSync(inside(name), inside("link")), "link"),
};

/** The call, with every other output somewhere harmless; its error. */
async function attempt({ command, args }: Call, long: string, output: string): Promise<Error> {
  const required = outputsOf(command).filter((option) => option.mandatory && option.long !== long);
  const others = required.flatMap((option) => [option.long!, `../other${option.long}`]);
  const line = [command, ...args, long, output, ...others, "--force", "--quiet"];
  return program.commands
    .find((each) => each.name() === command)!
    .parseAsync([...line.slice(1)], { from: "user" })
    .then(
      () => new Error(`${line.join(" ")}: was not refused`),
      (error: Error) => error,
    );
}

test("every command that writes files is gone through, with every file that it can read", () => {
  const names = program.commands.map((command) => command.name()).filter((name) => !writesNothing.has(name));
  expect(names.sort()).toEqual([...new Set(calls.map(({ command }) => command))].sort());
  for (const name of names) expect(outputsOf(name), name).not.toHaveLength(0);
  for (const name of writesNothing) expect(outputsOf(name), name).toEqual([]);
});

describe("refused with --force too, and nothing is touched", () => {
  for (const call of calls)
    for (const { long } of outputsOf(call.command))
      test(`${call.command} ${call.args.join(" ")}: ${long} is what is read`, async () => {
        const before = state();
        for (const read of call.reads)
          for (const [way, to] of Object.entries(ways)) {
            // compress and expand refuse some names for their endings alone, before anything else.
            const output = to(read);
            const { message, name } = await attempt(call, long!, output);
            rmSync(inside("link"), { force: true });
            const place = `${long} ${read} by ${way}: ${message}`;
            expect(`${name} ${place}`).toMatch(/^InvalidInputError.*(is the input itself|name the output \.)/);
            expect(existsSync(inside(`${basename(output)}.partial`)), place).toBe(false);
            expect(state(), place).toEqual(before);
          }
      });

  test("two outputs that are one file", async () => {
    for (const { command, args } of calls) {
      const options = outputsOf(command);
      for (const [first, second] of options.slice(1).map((option) => [options[0], option])) {
        const others = options.filter((option) => option.mandatory && option !== first && option !== second);
        const line = [...args, first.long!, "new", second.long!, "../other-way/new", ...others.flatMap((each) => [each.long!, "other"]), "--force"]; // prettier-ignore
        const parsed = program.commands.find((each) => each.name() === command)!.parseAsync(line, { from: "user" });
        expect((await failure(parsed, "INVALID_INPUT")).message).toMatch(/Two outputs have the same name: /);
      }
    }
    expect(existsSync(inside("new"))).toBe(false);
  });

  test("shards and external data that would come to lie on those of the model", async () => {
    const output = { long: "--output" };
    const before = state();
    const refused = async (call: Call, main: string, file: string) => {
      const { message } = await attempt(call, output.long, main);
      expect(message).toMatch(new RegExp(`${file}.*(is the input itself|is a link that leads to)`));
      expect(state()).toEqual(before);
    };
    const [set, onnx] = [compress("m.index.json", [], "--keep", "0.5"), compress("m.onnx", [], "--keep", "0.5")];
    await refused(set, "other.index.json", "model-0000[12]-of-00002.safetensors");
    await refused(set, "../other-way/other.index.json", "model-0000[12]-of-00002.safetensors");
    mkdirSync(join(folder, "out"));
    for (const link of [linkSync, symlinkSync]) {
      link(inside(shards[1]), join(folder, "out", shards[1]));
      link(inside("m.data"), join(folder, "out/x.onnx_data"));
      const linked = state();
      for (const [call, main, file] of [
        [set, "../out/x.index.json", shards[1]],
        [onnx, "../out/x.onnx", "x.onnx_data"],
      ] as const) {
        // prettier-ignore
        const { message } = await attempt(call, output.long, main);
        expect(message).toMatch(new RegExp(`${file}.*(is the input itself|is a link that leads to)`));
      }
      expect(state()).toEqual(linked);
      for (const name of readdirSync(join(folder, "out"))) rmSync(join(folder, "out", name));
    }
  });
});

test("compress --verify: arrays for --inputs are read too", () => {
  const before = state();
  const line = ["compress", "m.onnx", "--keep", "0.5", "--verify", "--inputs", "w.npy", "-o", "w.npy", "--force"];
  // Whether onnxruntime is there or not: refused.
  expect(run(inside(""), ...line).status).not.toBe(0);
  expect(state()).toEqual(before);
});

test("without --force too the message is that it is read, not that --force would help", () => {
  const { status, stderr } = run(inside(""), "leverage", "A.npy", "-o", "A.npy");
  expect([status, stderr]).toEqual([
    1,
    "loewner: The output A.npy is the input itself; name another file: what is read stays as it is, with --force too.\n",
  ]);
});

test("an output below a file, or in a folder that is not there, is told as before", () => {
  const message = (output: string) => run(inside(""), "leverage", "A.npy", "-o", output, "--force").stderr;
  expect(message("A.npy/x")).toBe("loewner: Cannot write A.npy/x: A.npy is not a folder.\n");
  expect(message("none/x")).toBe("loewner: Cannot write none/x: the folder none does not exist. Create it first.\n");
});

describe("by whoever writes", () => {
  let place: string;
  const at = (name: string) => join(place, name);
  const hello = (sink: { write(bytes: Uint8Array): Promise<void> }) => sink.write(new TextEncoder().encode("hello"));
  beforeEach(() => {
    place = temporaryFolder();
    writeFileSync(at("read"), "mine");
    keepOriginals();
  });
  afterEach(() => rmSync(place, { recursive: true, force: true }));

  test.each<[string, () => void]>([
    ["a symbolic link", () => symlinkSync("read", at("out"))],
    ["a hard link", () => linkSync(at("read"), at("out"))],
  ])("an output that has become %s to what is read is found out when it is put in place", async (_, become) => {
    writeFileSync(at("main"), "old main");
    await (await openFile(at("read"))).close();
    const write = async (sink: { write(bytes: Uint8Array): Promise<void> }) => {
      await hello(sink);
      become();
    };
    const files = [
      { path: at("out"), write },
      { path: at("main"), write: hello },
    ];
    const { message } = await failure(writeAllAtomically(files, { force: true }), "INVALID_INPUT");
    expect(message).toMatch(/out is the input itself, .*read; name another file/);
    expect(readdirSync(place).sort()).toEqual(["main", "out", "read"]);
    expect([readFileSync(at("read"), "utf8"), readFileSync(at("main"), "utf8")]).toEqual(["mine", "old main"]);
  });

  test("a file that was renamed since it was read", async () => {
    await (await openFile(at("read"))).close();
    const { renameSync } = await import("node:fs");
    renameSync(at("read"), at("out"));
    await failure(writeAtomically(at("out"), { force: true }, hello), "INVALID_INPUT");
    await failure(checkTarget(at("read")), "INVALID_INPUT");
    expect(readFileSync(at("out"), "utf8")).toBe("mine");
  });

  test("one that a process which was killed would have left, and that is read now, is not cleared away", async () => {
    const name = `.x.4194304-1-${/-([0-9a-f]{8})-/.exec((await import("../../src/node/files/owner.js")).ownedName("x", "tmp"))![1]}-0123456789ab.tmp`; // prettier-ignore
    writeFileSync(at(name), "mine");
    const file = await openFile(at(name));
    await writeAtomically(at("out"), {}, hello);
    await file.close();
    expect(readdirSync(place).sort()).toEqual([name, "out", "read"]);
    keepOriginals();
    await checkTarget(at("another"));
    expect(readdirSync(place).sort()).toEqual(["out", "read"]);
  });

  test("a file in the folder where finished layers are kept, whose files come and go", async () => {
    mkdirSync(at("small.partial"));
    const path = at(`small.partial/${"0".repeat(24)}.0`);
    writeFileSync(path, "mine");
    writeFileSync(at("small.partial/journal.json"), "");
    await (await openFile(path)).close();
    expect(() => openJournal(at("small"), { version: "1" })).toThrow(/The input .*\.0 lies in .*small\.partial/);
    expect(readFileSync(path, "utf8")).toBe("mine");
  });

  test("a program that uses the library replaces what it likes", async () => {
    vi.resetModules();
    const { openFile, writeAtomically } = await import("../../src/node/files/file.js");
    await (await openFile(at("read"))).close();
    await writeAtomically(at("read"), { force: true }, hello);
    expect(readFileSync(at("read"), "utf8")).toBe("hello");
  });
});
