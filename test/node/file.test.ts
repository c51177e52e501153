import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import * as fs from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { checkTarget, openFile, writeAllAtomically, writeAtomically } from "../../src/node/files/file.js";
import { removeTemporaryFiles } from "../../src/node/files/temporary.js";
import { failure, fixturePath } from "../formats/fixtures.js";

vi.mock("node:fs", async (original) => ({ ...(await original<typeof fs>()) })); // so that single functions can be spied on

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "loewner-formats-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});
const at = (name: string) => join(folder, name);
const text = (path: string) => readFileSync(path, "latin1");
const bytes = (content: string) => new TextEncoder().encode(content);
const left = () => readdirSync(folder).sort();

describe("openFile", () => {
  test("reads into memory of the caller's", async () => {
    const file = await openFile(fixturePath("version-1.npy"));
    const target = new Uint8Array(8).fill(1);
    await file.readInto!(target.subarray(1, 6), 1);
    expect(String.fromCharCode(...target)).toBe("\x01NUMPY\x01\x01");
    await failure(file.readInto!(target, 181), "INVALID_INPUT");
    await file.close();
  });

  test("close waits for a read under way", async () => {
    writeFileSync(at("x"), new Uint8Array(1 << 20).fill(7));
    const file = await openFile(at("x"));
    const read = file.slice(1, 1_000_000);
    await file.close();
    expect((await read).every((byte) => byte === 7)).toBe(true);
  });

  test("a file that is written to while it is read is found out; one that is replaced is read to the end", async () => {
    const message = async (change: () => void) => {
      writeFileSync(at("x"), "0123456789");
      utimesSync(at("x"), 1e9, 1e9);
      const file = await openFile(at("x"));
      await file.slice(0, 2);
      change();
      const found = await file.slice(2, 4).then(
        (read) => String.fromCharCode(...read),
        (error: Error) => error.message.replace(at("x"), "x"),
      );
      await file.close();
      return found;
    };
    expect(await message(() => appendFileSync(at("x"), "more"))).toBe(
      "x changed while it was being read: it had 10 bytes and has 14 now. Let whatever writes it finish, then start again.",
    );
    expect(await message(() => truncateSync(at("x"), 6))).toContain("it had 10 bytes and has 6 now");
    expect(await message(() => writeFileSync(at("x"), "9876543210", { flag: "r+" }))).toMatch(
      /^x changed while it was being read: it was last written at 2001-09-09T01:46:40.000Z, and again at 2/,
    );
    const replace = () => {
      writeFileSync(at("y"), "abcdefghij");
      fs.renameSync(at("y"), at("x"));
    };
    expect(await message(replace)).toBe("23");
  });

  test("reads ranges", async () => {
    const file = await openFile(fixturePath("version-1.npy"));
    expect([file.size, file.name]).toEqual([188, fixturePath("version-1.npy")]);
    expect([...(await file.slice(1, 6))]).toEqual([..."NUMPY"].map((c) => c.charCodeAt(0)));
    expect((await file.slice(188, 188)).length).toBe(0);
    await failure(file.slice(180, 189), "INVALID_INPUT");
    await file.close();
  });

  test("an empty file opens; what is in it is for the parsers to judge", async () => {
    writeFileSync(at("empty"), "");
    const file = await openFile(at("empty"));
    expect(file.size).toBe(0);
    await file.close();
  });

  test("no such file, a folder, a device", async () => {
    const message = async (path: string) => (await failure(openFile(path), "FILE")).message;
    expect(await message(at("nope"))).toBe(`No such file: ${at("nope")}. Check the path.`);
    writeFileSync(at("file"), "x");
    expect(await message(at("file/nope"))).toBe(`No such file: ${at("file/nope")}. Check the path.`);
    expect(await message(folder)).toBe(`${folder} is a folder; a file was expected. Name the file inside it.`);
    expect(await message("/dev/null")).toBe(
      "/dev/null is not a regular file, so it cannot be read by ranges. Copy it to a file first.",
    );
  });

  test("a file that may not be read is an error that says so", async () => {
    // A root user may read everything, so the refusal is the system's in one case and made up in the other.
    writeFileSync(at("secret"), "x", { mode: 0 });
    if (process.getuid?.() === 0) {
      const probe = await open(at("secret"));
      vi.spyOn(Object.getPrototypeOf(probe), "stat").mockRejectedValueOnce(
        Object.assign(new Error("denied"), { code: "EACCES" }),
      );
      await probe.close();
    }
    expect((await failure(openFile(at("secret")), "FILE")).message).toBe(
      `No permission to read ${at("secret")}. Change its permissions, or run as a user who may.`,
    );
  });

  test("a file whose size cannot be told is closed again", async () => {
    writeFileSync(at("x"), "x");
    const probe = await open(at("x"));
    const prototype = Object.getPrototypeOf(probe);
    await probe.close();
    vi.spyOn(prototype, "stat").mockRejectedValueOnce(Object.assign(new Error("i/o error"), { code: "EIO" }));
    expect((await failure(openFile(at("x")), "FILE")).message).toContain("i/o error");
    if (!existsSync("/proc/self/fd")) return; // elsewhere nothing tells
    const held = readdirSync("/proc/self/fd").filter((fd) => {
      try {
        return fs.readlinkSync(`/proc/self/fd/${fd}`) === at("x");
      } catch {
        return false;
      }
    });
    expect(held).toEqual([]);
  });

  test("a file that shrinks while it is read", async () => {
    writeFileSync(at("x"), "0123456789");
    const file = await openFile(at("x"));
    truncateSync(at("x"), 4);
    expect((await failure(file.slice(2, 8), "FILE")).message).toBe(
      `${at("x")} shrank while it was being read: bytes 2 to 8 gave 2 bytes instead of 6. Let whatever writes it finish, then try again.`,
    );
    appendFileSync(at("x"), "more than before");
    expect(file.size).toBe(10);
    await file.close();
  });
});

describe("checkTarget", () => {
  test("says what is in the way", async () => {
    writeFileSync(at("there"), "old");
    symlinkSync(at("nowhere"), at("dangling"));
    const message = async (path: string, force = false) =>
      (await failure(checkTarget(path, { force }), "FILE")).message;
    expect(await message(at("there"))).toBe(
      `${at("there")} exists already. Pass --force to replace it, or choose another name.`,
    );
    expect(await message(at("none/x"))).toBe(
      `Cannot write ${at("none/x")}: the folder ${at("none")} does not exist. Create it first.`,
    );
    expect(await message(at("there/x"), true)).toBe(`Cannot write ${at("there/x")}: ${at("there")} is not a folder.`);
    expect(await message(folder, true)).toBe(`Cannot write ${folder}: it is a folder. Name a file inside it.`);
    expect(await message(`${at("new")}/`)).toBe(`Cannot write to "${at("new")}/": it names a folder, not a file.`);
    expect(await message("")).toBe('Cannot write to "": it names a folder, not a file.');
    expect(await message("/dev/null", true)).toBe("Cannot write /dev/null: it is not a regular file.");
    expect(await message(at("dangling"), true)).toBe(
      `Cannot write ${at("dangling")}: it is a link to a file that does not exist. Remove it, or name the file itself.`,
    );
    await checkTarget(at("new"));
    await checkTarget(at("there"), { force: true });
    expect(left()).toEqual(["dangling", "there"]);
  });
});

describe("writeAtomically", () => {
  const hello = async (sink: { write(b: Uint8Array): Promise<void> }) => {
    await sink.write(bytes("hello "));
    expect(left().filter((name) => !name.endsWith(".tmp"))).not.toContain("out");
    await sink.write(bytes("world"));
  };

  test("the file appears whole, under its own name alone", async () => {
    await writeAtomically(at("out"), {}, hello);
    expect(left()).toEqual(["out"]);
    expect(text(at("out"))).toBe("hello world");
  });

  test("a name as long as the system allows", async () => {
    const name = "é".repeat(127);
    await writeAtomically(at(name), {}, hello);
    expect(left()).toEqual([name]);
  });

  test("an existing target: refused before any work, replaced with force, its permissions and links kept", async () => {
    writeFileSync(at("out"), "old");
    chmodSync(at("out"), 0o640);
    symlinkSync("out", at("link"));
    const write = vi.fn();
    expect((await failure(writeAtomically(at("out"), {}, write), "FILE")).message).toContain(
      "exists already. Pass --force",
    );
    expect(write).not.toHaveBeenCalled();
    expect(text(at("out"))).toBe("old");
    await writeAtomically(at("link"), { force: true }, (sink) => sink.write(bytes("new")));
    expect(left()).toEqual(["link", "out"]);
    expect(text(at("out"))).toBe("new");
    expect(statSync(at("out")).mode & 0o777).toBe(0o640);
  });

  test("a target that appears meanwhile is left alone", async () => {
    const write = async (sink: { write(b: Uint8Array): Promise<void> }) => {
      await sink.write(bytes("ours"));
      writeFileSync(at("out"), "theirs");
    };
    expect((await failure(writeAtomically(at("out"), {}, write), "FILE")).message).toBe(
      `${at("out")} appeared while its content was being made; it was left alone. Pass --force to replace it.`,
    );
    expect(left()).toEqual(["out"]);
    expect(text(at("out"))).toBe("theirs");
  });

  test("a file system without hard links", async () => {
    const link = vi.spyOn(fs, "linkSync").mockImplementation(() => {
      throw Object.assign(new Error("not supported"), { code: "EPERM" });
    });
    await writeAtomically(at("out"), {}, (sink) => sink.write(bytes("x")));
    expect(link).toHaveBeenCalledOnce();
    expect(left()).toEqual(["out"]);
    const write = async () => writeFileSync(at("two"), "theirs");
    expect((await failure(writeAtomically(at("two"), {}, write), "FILE")).message).toContain("appeared while");
    await writeAllAtomically(
      [
        { path: at("out"), write: (s) => s.write(bytes("y")) },
        { path: at("two"), write: (s) => s.write(bytes("z")) },
      ],
      { force: true },
    );
    expect(left()).toEqual(["out", "two"]);
    expect(text(at("out")) + text(at("two"))).toBe("yz");
  });

  test("a writer that throws half-way leaves nothing, and its error is passed on", async () => {
    const boom = new Error("boom");
    const write = async (sink: { write(b: Uint8Array): Promise<void> }) => {
      await sink.write(new Uint8Array(1 << 20));
      expect(left()).toHaveLength(1);
      throw boom;
    };
    await expect(writeAtomically(at("out"), {}, write)).rejects.toBe(boom);
    expect(left()).toEqual([]);
  });

  test("an abort before, during and at the end of writing leaves nothing", async () => {
    for (const when of ["before", "during", "at the end"]) {
      const controller = new AbortController();
      if (when === "before") controller.abort();
      const write = async (sink: { write(b: Uint8Array): Promise<void> }) => {
        await sink.write(bytes("a"));
        if (when === "during") controller.abort();
        await sink.write(bytes("b"));
        controller.abort();
      };
      await failure(writeAtomically(at("out"), { signal: controller.signal }, write), "ABORTED");
      expect(left()).toEqual([]);
    }
  });

  test("writes that are not awaited are refused", async () => {
    const message = async (write: (sink: { write(b: Uint8Array): Promise<void> }) => Promise<unknown>) =>
      (await failure(writeAtomically(at("out"), {}, write), "INVALID_INPUT")).message;
    expect(await message((sink) => Promise.all([sink.write(bytes("a")), sink.write(bytes("b"))]))).toBe(
      `${at("out")}: write() was called before the last one had settled; await each call.`,
    );
    expect(await message(async (sink) => void sink.write(new Uint8Array(1 << 24)).catch(() => {}))).toBe(
      `${at("out")}: the writer ended before its last write() had settled; await each call.`,
    );
    expect(left()).toEqual([]);
    let kept!: { write(b: Uint8Array): Promise<void> };
    await writeAtomically(at("out"), {}, async (sink) => void (kept = sink));
    expect((await failure(kept.write(bytes("a")), "INVALID_INPUT")).message).toContain("after the end");
    expect(left()).toEqual(["out"]);
  });

  test("partial writes are completed", async () => {
    const handle = await open(fixturePath("empty.safetensors"));
    const prototype = Object.getPrototypeOf(handle);
    await handle.close();
    const write = prototype.write;
    vi.spyOn(prototype, "write").mockImplementation(function (this: unknown, ...args: unknown[]) {
      return write.call(this, args[0], args[1], Math.min(args[2] as number, 3));
    });
    await writeAtomically(at("out"), {}, (sink) => sink.write(bytes("0123456789")));
    expect(text(at("out"))).toBe("0123456789");
  });

  test.each([
    [
      "write",
      "ENOSPC",
      "no space left (ENOSPC); needed 5000 bytes, got room for 4. No unfinished file is left. Free some space, or write elsewhere.",
    ],
    [
      "write",
      "EDQUOT",
      "no space left (EDQUOT); needed 5000 bytes, got room for 4. No unfinished file is left. Free some space, or write elsewhere.",
    ],
    [
      "sync",
      "ENOSPC",
      "no space left (ENOSPC); needed 5000 bytes, got room for 8. No unfinished file is left. Free some space, or write elsewhere.",
    ],
    ["write", "EIO", "EIO happened."],
  ])("an error of the system in %s: %s", async (method, code, message) => {
    const handle = await open(fixturePath("empty.safetensors"));
    const prototype = Object.getPrototypeOf(handle);
    await handle.close();
    const write = async (sink: { write(b: Uint8Array): Promise<void> }) => {
      await sink.write(bytes("1234"));
      vi.spyOn(prototype, method).mockRejectedValueOnce(Object.assign(new Error(`${code} happened`), { code }));
      await sink.write(bytes("5678"));
    };
    const error = await failure(writeAtomically(at("out"), { byteLength: 5000 }, write), "FILE");
    expect(error.message).toBe(`Cannot write ${at("out")}: ${message}`);
    expect(error.cause).toMatchObject({ code });
    expect(left()).toEqual([]);
  });
});

describe("writeAllAtomically", () => {
  const file = (name: string, content: string) => ({
    path: at(name),
    write: (sink: { write(b: Uint8Array): Promise<void> }) => sink.write(bytes(content)),
  });

  test("all or nothing, data files first and the main file last", async () => {
    const order: string[] = [];
    const link = fs.linkSync;
    vi.spyOn(fs, "linkSync").mockImplementation((from, to) => {
      order.push(String(to));
      link(from, to);
    });
    await writeAllAtomically([file("data", "d"), file("main", "m")]);
    expect(order).toEqual([at("data"), at("main")]);
    expect(left()).toEqual(["data", "main"]);
    await expect(
      writeAllAtomically([file("data2", "d"), { path: at("main2"), write: () => Promise.reject(new Error("no")) }]),
    ).rejects.toThrow("no");
    expect(left()).toEqual(["data", "main"]);
    expect(
      (await failure(writeAllAtomically([file("a", "1"), file("../" + folder.split("/").pop() + "/a", "2")]), "FILE"))
        .message,
    ).toContain("The same file is to be written twice");
  });

  test("the main file appears meanwhile: the data file is taken back", async () => {
    const main = { path: at("main"), write: async () => writeFileSync(at("main"), "theirs") };
    await failure(writeAllAtomically([file("data", "d"), main]), "FILE");
    expect(left()).toEqual(["main"]);
    expect(text(at("main"))).toBe("theirs");
  });

  test.each([true, false])("with force, a failure half-way puts the old files back (hard links: %s)", async (links) => {
    writeFileSync(at("data"), "old data");
    writeFileSync(at("main"), "old main");
    if (!links) {
      vi.spyOn(fs, "linkSync").mockImplementation(() => {
        throw Object.assign(new Error("not supported"), { code: "EPERM" });
      });
    }
    const rename = fs.renameSync;
    let busy = true;
    vi.spyOn(fs, "renameSync").mockImplementation((from, to) => {
      if (to === at("main") && busy) {
        busy = false;
        throw Object.assign(new Error("busy"), { code: "EBUSY" });
      }
      rename(from, to);
    });
    await failure(
      writeAllAtomically([file("fresh", "f"), file("data", "new"), file("main", "new")], { force: true }),
      "FILE",
    );
    expect(left()).toEqual(["data", "main"]);
    expect(text(at("data")) + text(at("main"))).toBe("old dataold main");
    vi.restoreAllMocks();
    await writeAllAtomically([file("data", "new "), file("main", "newer")], { force: true });
    expect(text(at("data")) + text(at("main"))).toBe("new newer");
    expect(left()).toEqual(["data", "main"]);
  });

  test("what cannot be put back is kept, and the message says where", async () => {
    writeFileSync(at("data"), "old data");
    writeFileSync(at("main"), "old main");
    const rename = fs.renameSync;
    vi.spyOn(fs, "renameSync").mockImplementation((from, to) => {
      if (to === at("main")) throw Object.assign(new Error("busy"), { code: "EBUSY" });
      rename(from, to);
    });
    const { message } = await failure(
      writeAllAtomically([file("data", "new"), file("main", "new")], { force: true }),
      "FILE",
    );
    const [data, kept, ...more] = left();
    expect([data, more]).toEqual(["data", []]);
    expect(text(at("data")) + text(at(kept))).toBe("old dataold main");
    expect(message).toContain(`${at("main")} as it was is in ${at(kept)}`);
  });

  test("removeTemporaryFiles clears what is being written, as a SIGINT handler would", async () => {
    const write = async (sink: { write(b: Uint8Array): Promise<void> }) => {
      await sink.write(bytes("half"));
      expect(left()).toHaveLength(2);
      removeTemporaryFiles();
      expect(left()).toEqual([]);
    };
    await failure(writeAllAtomically([file("data", "d"), { path: at("main"), write }]), "FILE");
    expect(left()).toEqual([]);
    removeTemporaryFiles();
  });
});

/** Plain JavaScript of the sources, for processes of their own. */
describe("in a process of its own", () => {
  let js: string;
  beforeAll(() => {
    js = mkdtempSync(join(tmpdir(), "loewner-formats-js-"));
    writeFileSync(join(js, "package.json"), '{"type":"module"}');
    // And of all that these import.
    const names = ["node/files/file", "node/files/temporary"];
    for (const name of names) {
      const source = readFileSync(fileURLToPath(new URL(`../../src/${name}.ts`, import.meta.url)), "utf8");
      const code = ts.transpile(source, { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext });
      mkdirSync(dirname(join(js, name)), { recursive: true });
      writeFileSync(join(js, `${name}.js`), code);
      for (const [, path] of code.matchAll(/^(?:import|export) .*from "(\.[^"]+)\.js";/gm)) {
        const imported = posix.join(posix.dirname(name), path);
        if (!names.includes(imported)) names.push(imported);
      }
    }
    writeFileSync(
      join(js, "write.js"),
      `import { writeAtomically } from "./node/files/file.js";
       import { removeTemporaryFiles } from "./node/files/temporary.js";
       const [target, chunks, pause] = process.argv.slice(2);
       process.on("SIGINT", () => { removeTemporaryFiles(); process.exit(130); });
       try {
         await writeAtomically(target, { byteLength: chunks * 65536 }, async (sink) => {
           for (let i = 0; i < chunks; i++) {
             await sink.write(new Uint8Array(65536).fill(i));
             if (i === 3) process.stdout.write("half\\n");
             if (pause && i === 3) await new Promise((resolve) => setTimeout(resolve, 60_000));
           }
         });
       } catch (error) {
         process.stdout.write(error.code + ": " + error.message);
         process.exitCode = 1;
       }`,
    );
  });
  afterAll(() => rmSync(js, { recursive: true }));

  /** Once it says so; a process that ends without a word is a failure at once. */
  const halfWay = (stdout: NodeJS.ReadableStream) =>
    new Promise((resolve, reject) => {
      stdout.once("data", resolve);
      stdout.once("end", () => reject(new Error("The process ended before it had written anything.")));
    });

  test.each([
    ["SIGKILL", 1, null],
    ["SIGINT", 0, 130],
  ] as const)("%s half-way leaves the target absent and %i temporary files", async (signal, temporaries, code) => {
    const child = spawn(process.execPath, [join(js, "write.js"), at("out"), "8", "pause"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
    await halfWay(child.stdout);
    child.kill(signal);
    expect(await ended).toBe(code);
    expect(existsSync(at("out"))).toBe(false);
    expect(left().filter((name) => name.endsWith(".tmp"))).toHaveLength(temporaries);
    expect(left()).toHaveLength(temporaries);
    // What a killed process left behind is not in the way of the next, which clears it away.
    await writeAtomically(at("out"), {}, (sink) => sink.write(bytes("x")));
    expect(text(at("out"))).toBe("x");
    expect(left()).toEqual(["out"]);
  });

  test("killed at any moment: nothing, or the whole file", async () => {
    for (let round = 0; round < 12; round++) {
      const target = at(`out${round}`);
      const child = spawn(process.execPath, [join(js, "write.js"), target, "200"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const ended = new Promise((resolve) => child.on("exit", resolve));
      await halfWay(child.stdout);
      setTimeout(() => child.kill("SIGKILL"), round);
      await ended;
      if (existsSync(target)) expect(statSync(target).size).toBe(200 * 65536);
    }
  });

  test("a file-size limit of the system: no space, nothing left", () => {
    // ulimit -f counts blocks of 512 or 1024 bytes, depending on the shell: 400 of them are less than 32 chunks of 64 KiB.
    const run = spawnSync(
      "sh",
      ["-c", `trap '' XFSZ; ulimit -f 400; exec "$0" "$@"`, process.execPath, join(js, "write.js"), at("out"), "32"],
      { encoding: "latin1" },
    );
    expect(run.stdout).toMatch(
      /^(half\n)?FILE: Cannot write .*: no space left \(EFBIG\); needed 2097152 bytes, got room for \d+\. No unfinished file is left\./,
    );
    expect(run.status).toBe(1);
    expect(left()).toEqual([]);
  });

  test("a full disk leaves nothing behind and is named", () => {
    const disk = at("disk");
    mkdirSync(disk);
    // Only root may mount, and not in every container: elsewhere a file that the system calls full stands in for the disk.
    const mounted =
      process.getuid?.() === 0 && spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk]).status === 0;
    if (!mounted) {
      const script = readFileSync(join(js, "write.js"), "utf8");
      const inject = `import { open } from "node:fs/promises";
        const probe = await open(process.argv[1]); const proto = Object.getPrototypeOf(probe); await probe.close();
        const real = proto.write; let room = 1048576;
        proto.write = function (bytes, at, length) {
          if (room === 0) return Promise.reject(Object.assign(new Error("full"), { code: "ENOSPC" }));
          const n = Math.min(length, room); room -= n; return real.call(this, bytes, at, n);
        };\n`;
      writeFileSync(join(js, "full.js"), inject + script);
    }
    try {
      const run = spawnSync(process.execPath, [join(js, mounted ? "write.js" : "full.js"), join(disk, "out"), "32"], {
        encoding: "latin1",
      });
      expect(run.stdout).toBe(
        `half\nFILE: Cannot write ${join(disk, "out")}: no space left (ENOSPC); needed 2097152 bytes, got room for 1048576. No unfinished file is left. Free some space, or write elsewhere.`,
      );
      expect(run.status).toBe(1);
      expect(readdirSync(disk)).toEqual([]);
    } finally {
      if (mounted) execFileSync("umount", [disk]);
    }
  });
});
