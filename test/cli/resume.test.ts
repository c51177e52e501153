// Runs that end early, and the same command again with --resume.
import { once } from "node:events";
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bytesOf, listing, run, startHeld, temporaryFolder, tensor, writeModel } from "./run.js";

let folder: string;
beforeEach(async () => {
  folder = temporaryFolder();
  await writeModel(folder, "model.safetensors", layers(4));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const layers = (count: number, kind: "plain" | "heavy-tailed rows" = "heavy-tailed rows") =>
  Array.from({ length: count }, (_, i) => tensor(`h.${i}.wte.weight`, 2000 + i, 64, { kind }));
const args = (...more: string[]) => [
  ...[
    "compress",
    "model.safetensors",
    "-o",
    "small.safetensors",
    "--keep",
    "0.5",
    "--dtype",
    "f32",
    "--threads",
    "1",
    ...more,
  ],
];
const partial = "small.safetensors.partial";
const layerKept = /[0-9a-f]{24}\.json$/;

/** Sends a signal once a layer is kept. */
async function stopped(signal: NodeJS.Signals, ...more: string[]) {
  const { child, open } = await startHeld(folder, layerKept, ...args("--quiet", ...more));
  let stderr = "";
  child.stderr.on("data", (chunk) => (stderr += String(chunk)));
  const ended = once(child, "close");
  child.kill(signal);
  open();
  const [status] = await ended;
  return { status, stderr };
}

const whole = () => {
  expect(run(folder, ...args("--quiet")).status).toBe(0);
  const bytes = bytesOf(folder, "small.safetensors");
  rmSync(join(folder, "small.safetensors"));
  return bytes;
};

describe("killed", () => {
  test("--resume takes up what was finished: the same file, and the report says which layers", async () => {
    const bytes = whole();
    await stopped("SIGKILL");
    expect(listing(folder)).toEqual(["model.safetensors", partial]);
    const { status, stdout, stderr } = run(folder, ...args("--resume", "--json"));
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const report = JSON.parse(stdout);
    expect(Object.keys(report)).toEqual(
      ["command", "version", "input", "output", "bytesBefore", "bytesAfter", "layers", "skipped", "seconds", "seed", "resumed"], // prettier-ignore
    );
    expect(report.layers.map(({ name }: { name: string }) => name)).toHaveLength(4);
    expect(report.resumed).toContain("h.0.wte.weight");
    expect(bytesOf(folder, "small.safetensors").equals(bytes)).toBe(true);
    expect(listing(folder)).toEqual(["model.safetensors", "small.safetensors"]);
  });

  test("without --resume it starts anew, and says that it need not; other options or another model are told", async () => {
    await stopped("SIGKILL");
    cpSync(join(folder, partial), join(folder, "kept"), { recursive: true });
    const again = () => {
      rmSync(join(folder, "small.safetensors"));
      cpSync(join(folder, "kept"), join(folder, partial), { recursive: true });
    };
    const anew = run(folder, ...args());
    expect(anew.stdout).toMatch(
      /^small\.safetensors\.partial holds \d+\.\d s of work of a run that ended early; this one starts anew\. Stop it and give --resume to go on from there\.\n/,
    );
    expect(anew.stdout).not.toContain("Taken up");
    again();
    expect(run(folder, ...args("--resume")).stdout).toContain("Taken up, finished by an earlier run: h.0.wte.weight");
    again();
    expect(run(folder, ...args("--resume", "--p", "2")).stdout).toContain(
      "h.0.wte.weight was computed anew: other options were given then",
    );
    again();
    await writeModel(folder, "model.safetensors", [tensor("h.0.wte.weight", 2000, 64, { kind: "plain" })]);
    expect(run(folder, ...args("--resume")).stdout).toContain(
      "h.0.wte.weight was computed anew: its tensor has changed since",
    );
    expect(listing(folder)).toEqual(["kept", "model.safetensors", "small.safetensors"]);
  });
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s: little work goes; what was to be resumed stays, and is named", async (signal, code) => {
  expect(await stopped(signal)).toEqual({
    status: code,
    stderr: "loewner: interrupted; no unfinished file is left.\n",
  });
  expect(listing(folder)).toEqual(["model.safetensors"]);
  expect(await stopped(signal, "--resume")).toEqual({
    status: code,
    stderr: `loewner: interrupted; no unfinished file is left. What was finished is kept in ${partial}: the same command with --resume goes on from there.\n`,
  });
  expect(readdirSync(join(folder, partial)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  expect(run(folder, ...args("--resume")).stdout).toContain("Taken up");
  expect(listing(folder)).toEqual(["model.safetensors", "small.safetensors"]);
});

test("a run that fails keeps what was to be resumed, and says so in its one line", async () => {
  // The first row of the last layer is more than halves hold.
  const [first, second, last] = layers(3, "plain");
  const [bytes] = [...(last.chunks() as Iterable<Uint8Array>)].map((chunk) => chunk.slice());
  new Float32Array(bytes.buffer).fill(1e6, 0, 64);
  await writeModel(folder, "model.safetensors", [first, second, { ...last, chunks: () => [bytes] }]);
  const halves = (...more: string[]) => args("--dtype", "f16", ...more);
  const plain = run(folder, ...halves());
  expect([plain.status, plain.stderr.includes(partial)]).toEqual([1, false]);
  expect(listing(folder)).toEqual(["model.safetensors"]);
  const { status, stderr } = run(folder, ...halves("--resume"));
  expect(status).toBe(1);
  expect(stderr).toMatch(/f16.*What was finished is kept in small\.safetensors\.partial: .*--resume.*\n$/);
  expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  const without = run(folder, ...halves("--resume", "--exclude", "h.2.*"));
  expect(without.stdout).toContain("Taken up, finished by an earlier run: h.0.wte.weight, h.1.wte.weight");
});

test("two runs that make the same file: the second is refused", async () => {
  const { child, open } = await startHeld(folder, layerKept, ...args("--quiet"));
  const { status, stderr } = run(folder, ...args("--quiet"));
  const ended = once(child, "close");
  child.kill("SIGKILL");
  await ended;
  open();
  expect(stderr).toContain(`small.safetensors is being made already, by process ${child.pid}`);
  expect(status).toBe(1);
});

test("bad usage, and a folder in the way", () => {
  const dry = run(folder, ...args("--dry-run", "--resume"));
  expect([dry.status, dry.stderr]).toEqual([2, expect.stringContaining("--dry-run computes no layer")]);
  mkdirSync(join(folder, partial));
  writeFileSync(join(folder, partial, "mine"), "");
  const { status, stderr } = run(folder, ...args());
  expect([status, stderr]).toEqual([1, expect.stringContaining(`${partial} is in the way`)]);
  expect(listing(folder)).toEqual(["model.safetensors", partial]);
});
