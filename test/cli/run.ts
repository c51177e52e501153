// The built command line in a folder of its own, and models to give it.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import {
  encodeNumbers,
  memorySink,
  writeNpy,
  writeSafetensors,
  type SafetensorsInput,
} from "../../src/formats/index.js";
import type { RowType } from "../../src/matrix.js";
import { engineFlags } from "../engine-flags.mjs";
import { matrix, type Kind } from "../library/matrices.js";

export const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export const temporaryFolder = () => mkdtempSync(join(tmpdir(), "loewner-cli-"));

/** As if no npx had run it, whatever runs the tests. */
const own = () => ({ ...process.env, npm_command: undefined });

export function run(folder: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...engineFlags, main, ...args], {
    ...{ cwd: folder, env: own(), encoding: "utf8" },
  });
  return { status, stdout, stderr };
}

export function start(folder: string, ...args: string[]) {
  return spawn(process.execPath, [...engineFlags, main, ...args], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
}

const preload = new URL("../faults/preload.mjs", import.meta.url).href;

/** Like `start`, disturbed from within as test/faults/preload.mjs says. */
export function startDisturbed(folder: string, env: Record<string, string>, ...args: string[]) {
  return spawn(process.execPath, [...engineFlags, "--import", preload, main, ...args], {
    ...{ cwd: folder, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] as const },
  });
}

/**
 * The command, held at the moment when a file whose name matches has just been put in place. Resolves once it is there: then it goes no
 * further until `open` is called. Killed meanwhile, it has done no more than that.
 */
export async function startHeld(folder: string, named: RegExp, ...args: string[]) {
  const place = mkdtempSync(join(tmpdir(), "loewner-gate-"));
  const gate = join(place, "gate");
  const child = startDisturbed(folder, { FAULT_GATE: gate, FAULT_GATE_NAMED: named.source }, ...args);
  const open = () => rmSync(place, { recursive: true, force: true });
  await expect.poll(() => existsSync(gate) || child.exitCode !== null || child.signalCode !== null).toBe(true);
  if (!existsSync(gate)) throw new Error(`"${args.join(" ")}" ended before it put ${String(named)} in place.`);
  return { child, open };
}

export const listing = (folder: string) => readdirSync(folder).sort();
export const bytesOf = (folder: string, name: string) => readFileSync(join(folder, name));

const dtypes: Record<RowType, SafetensorsInput["dtype"]> = { f16: "F16", bf16: "BF16", f32: "F32", f64: "F64" };

export function tensor(
  name: string,
  rows: number,
  cols: number,
  { type = "f32" as RowType, kind = "heavy-tailed rows" as Kind, nan = -1 } = {},
): SafetensorsInput {
  const { data } = matrix(kind, rows, cols, { f32: type !== "f64", seed: rows });
  if (nan >= 0) data[nan] = NaN;
  const bytes = encodeNumbers(data, type);
  return { name, dtype: dtypes[type], shape: [rows, cols], byteLength: bytes.length, chunks: () => [bytes] };
}

export async function writeModel(folder: string, name: string, tensors: SafetensorsInput[]): Promise<void> {
  const sink = memorySink();
  await writeSafetensors(sink, { tensors, metadata: { format: "pt", note: "a test" } });
  writeFileSync(join(folder, name), sink.bytes());
}

export async function writeMatrix(
  folder: string,
  name: string,
  data: Float32Array | Float64Array,
  shape: number[],
): Promise<void> {
  const sink = memorySink();
  await writeNpy(sink, { data, shape });
  writeFileSync(join(folder, name), sink.bytes());
}

/** A model like a small transformer. */
export function smallModel(type: RowType = "f32", nan = -1): SafetensorsInput[] {
  // f16 ends at 65504, and heavy tails do not.
  const kind = type === "f16" ? "plain" : "heavy-tailed rows";
  const ids = new Uint8Array(Float64Array.from([1, 2, 3]).buffer);
  return [
    tensor("embeddings.word_embeddings.weight", 400, 16, { type, nan, kind }),
    tensor("embeddings.position_embeddings.weight", 320, 16, { type, kind }),
    tensor("layer.0.ffn.weight", 64, 16, { type, kind }),
    { name: "ids", dtype: "I64", shape: [3], byteLength: 24, chunks: () => [ids] },
  ];
}
