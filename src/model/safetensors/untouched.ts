// Tensors of a safetensors file that should have passed through byte for byte.
import { tensorChunks, type SafetensorsFile } from "../../formats/index.js";
import { allTensorsOf } from "../kinds/index.js";
import type { Model } from "../model.js";

export interface Untouched {
  /** How many are the same to the byte. */
  untouched: number;
  changed: string[];
  missing: string[];
}

export async function compareUntouched(
  original: SafetensorsFile,
  compressed: SafetensorsFile,
  { described }: Model,
): Promise<Untouched> {
  const changed: string[] = [];
  const missing: string[] = [];
  const factors = new Set([...described.values()].flatMap(allTensorsOf));
  let untouched = 0;
  for (const name of original.tensors.keys()) {
    if (described.has(name)) continue;
    if (!compressed.tensors.has(name)) missing.push(name);
    else if (await sameBytes(original, compressed, name)) ++untouched;
    else changed.push(name);
  }
  for (const name of compressed.tensors.keys()) {
    if (!factors.has(name) && !original.tensors.has(name)) changed.push(name);
  }
  return { untouched, changed, missing };
}

async function sameBytes(a: SafetensorsFile, b: SafetensorsFile, name: string): Promise<boolean> {
  const x = a.tensors.get(name)!;
  const y = b.tensors.get(name)!;
  if (x.dtype !== y.dtype || x.byteLength !== y.byteLength || x.shape.join() !== y.shape.join()) return false;
  const others = tensorChunks(b, name)[Symbol.asyncIterator]();
  for await (const chunk of tensorChunks(a, name)) {
    const { value } = await others.next();
    if (!value || value.length !== chunk.length) return false;
    for (let i = 0; i < chunk.length; ++i) if (chunk[i] !== value[i]) return false;
  }
  return true;
}
