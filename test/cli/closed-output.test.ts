// What cannot be printed stops no work: a reader that closes early (head), a full device. The exit code is that of the work.
import { once } from "node:events";
import { closeSync, existsSync, openSync, rmSync } from "node:fs";
import { spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bytesOf, main, run, smallModel, temporaryFolder, tensor, writeModel } from "./run.js";

let folder: string;
beforeAll(async () => {
  folder = temporaryFolder();
  await writeModel(folder, "model.safetensors", smallModel());
  await writeModel(folder, "other.safetensors", smallModel().map((each) => (each.name === "layer.0.ffn.weight" ? tensor(each.name, 64, 16, { kind: "plain" }) : each))); // prettier-ignore
  expect(run(folder, "compress", "model.safetensors", "-o", "small.safetensors", "--keep", "0.5", "--layers", "all").status).toBe(0); // prettier-ignore
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Whoever read stdout, and stderr too, is gone before anything is printed. */
async function unread(args: string[], { stderr = false } = {}) {
  const child = spawn(process.execPath, [main, ...args], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stdout.destroy();
  if (stderr) child.stderr.destroy();
  else child.stderr.on("data", (chunk) => (said += String(chunk)));
  const [status] = await once(child, "close");
  return { status, stderr: said };
}

async function toFullDevice(args: string[]) {
  const full = openSync("/dev/full", "w");
  const child = spawn(process.execPath, [main, ...args], { cwd: folder, stdio: ["ignore", full, "pipe"] });
  let stderr = "";
  child.stderr!.on("data", (chunk) => (stderr += String(chunk)));
  const [status] = await once(child, "close");
  closeSync(full);
  return { status, stderr };
}

const honest = ["verify", "model.safetensors", "small.safetensors"];
const mismatched = ["verify", "other.safetensors", "small.safetensors"];
const compress = (output: string, ...more: string[]) => ["compress", "model.safetensors", "-o", output, "--keep", "0.5", "--layers", "all", ...more]; // prettier-ignore
const noSuchFile = ["inspect", "none.safetensors"];

describe("nobody reads", () => {
  test.each([[[]], [["--json"]]])("verify says by its exit code what it found, %o", async (more) => {
    expect(await unread([...honest, ...more])).toEqual({ status: 0, stderr: "" });
    const { status, stderr } = await unread([...mismatched, ...more]);
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^loewner: small\.safetensors does not match [^\n]*\n$/)]); // prettier-ignore
    expect((await unread([...mismatched, ...more], { stderr: true })).status).toBe(1);
  });

  test.each([[[]], [["--json"]], [["--verify"]]])("compress writes its output, %o", async (more) => {
    for (const [output, stderr] of [
      ["a.safetensors", false],
      ["b.safetensors", true],
    ] as const) {
      expect(await unread(compress(output, ...more), { stderr })).toEqual({ status: 0, stderr: "" });
      expect(bytesOf(folder, output).equals(bytesOf(folder, "small.safetensors"))).toBe(true);
      rmSync(`${folder}/${output}`);
    }
  });

  test("what fails, fails", async () => {
    expect((await unread(noSuchFile)).status).toBe(1);
    expect((await unread(noSuchFile, { stderr: true })).status).toBe(1);
    expect((await unread(["inspect"], { stderr: true })).status).toBe(2);
    expect((await unread(["--help"], { stderr: true })).status).toBe(0);
  });
});

describe.runIf(existsSync("/dev/full"))("a full device", () => {
  const told = "loewner: Cannot write to stdout: ENOSPC: no space left on device, write.\n";

  test.each([[[]], [["--json"]]])("one line, and the exit code of the work, %o", async (more) => {
    expect(await toFullDevice([...honest, ...more])).toEqual({ status: 0, stderr: told });
    expect(await toFullDevice(compress("c.safetensors", ...more))).toEqual({ status: 0, stderr: told });
    expect(bytesOf(folder, "c.safetensors").equals(bytesOf(folder, "small.safetensors"))).toBe(true);
    rmSync(`${folder}/c.safetensors`);
    const { status, stderr } = await toFullDevice([...mismatched, ...more]);
    expect([status, stderr.split("\n")]).toEqual([1, [told.trimEnd(), expect.stringMatching(/does not match/), ""]]);
  });

  test("nothing to print is no fault", async () => {
    expect(await toFullDevice([...honest, "--quiet"])).toEqual({ status: 0, stderr: "" });
  });
});
