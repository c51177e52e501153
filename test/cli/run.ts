// The built command line in a folder of its own, and models to give it.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  encodeNumbers,
  memorySink,
  writeNpy,
  writeSafetensors,
  type SafetensorsInput,
} from "../../src/formats/index.js";
import type { RowType } from "../../src/matrix.js";
import { matrix, type Kind } from "../library/matrices.js";

export const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export const temporaryFolder = () => mkdtempSync(join(tmpdir(), "loewner-cli-"));

export function run(folder: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { cwd: folder, encoding: "utf8" });
  return { status, stdout, stderr };
}

export function start(folder: string, ...args: string[]) {
  return spawn(process.execPath, [main, ...args], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
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
