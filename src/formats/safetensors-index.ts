/**
 * A model in several safetensors files: `model.safetensors.index.json` holds `weight_map`, tensor name -> file name, and
 * `metadata` (total_size and the like). The files ("shards") lie beside it or in folders below.
 */
import { InvalidFormatError } from "../errors.js";
import type { ByteSink, ByteSource } from "./bytes.js";
import { staysInFolder } from "./inner-path.js";
import { errorMessage, sniff, sniffedBytes } from "./sniff.js";
import { type JsonValue, parseJson, quote } from "./json.js";
import { jsonBytes, type LimitOptions, limitsOf, overLimit } from "./limits.js";
import { openSafetensors, type SafetensorsFile } from "./safetensors.js";

/** An open index with all its shards. */
export interface SafetensorsIndex {
  readonly source: ByteSource;
  /** The index's own metadata, as it stands there; empty when there is none. */
  readonly metadata: ReadonlyMap<string, JsonValue>;
  /** Tensor name -> shard name, in the order of the index. */
  readonly weightMap: ReadonlyMap<string, string>;
  /** Shard name -> open shard, in the order in which the index first names them. */
  readonly shards: ReadonlyMap<string, SafetensorsFile>;
}

/**
 * Opens an index and every shard it names. `resolve` turns a shard's name (relative, with /, never leaving the folder of
 * the index) into its bytes; whoever opens files there closes them, also when this throws.
 * @param options.limits `jsonBytes`, `jsonDepth`, `jsonValues`, `tensors`, `files`; of the shards as openSafetensors
 * @throws {InvalidFormatError} when the index or a shard is bad, a name would leave the folder, or a shard lacks a tensor.
 * @throws {LimitError} when the index or a header holds more than may be read of it.
 */
export async function openSafetensorsIndex(
  source: ByteSource,
  resolve: (shard: string) => ByteSource | Promise<ByteSource>,
  options: LimitOptions = {},
): Promise<SafetensorsIndex> {
  const file = source.name;
  const { metadata, weightMap } = await readSafetensorsIndex(source, options);
  const shards = new Map<string, SafetensorsFile>();
  for (const [tensor, shard] of weightMap) {
    let open = shards.get(shard);
    if (!open) shards.set(shard, (open = await openSafetensors(await resolve(shard), options)));
    if (!open.tensors.has(tensor)) {
      throw new InvalidFormatError(
        `${file}: tensor ${quote(tensor)} should be in ${quote(shard)}, but that file has no such tensor. Index and shards do not belong together; get both again.`,
        { file, tensor },
      );
    }
  }
  return { source, metadata, weightMap, shards };
}

/** Writes an index as the Hugging Face libraries do: indented by 2, keys sorted, a line end at the end. */
export async function writeSafetensorsIndex(
  sink: ByteSink,
  { metadata, weightMap }: { metadata: ReadonlyMap<string, JsonValue>; weightMap: ReadonlyMap<string, string> },
): Promise<void> {
  const text = indexText(
    new Map<string, JsonValue>([
      ["metadata", new Map(metadata)],
      ["weight_map", new Map(weightMap)],
    ]),
    "",
  );
  await sink.write(new TextEncoder().encode(`${text}\n`));
}

/**
 * What an index says, without its shards.
 * @throws {InvalidFormatError} when it is not an index, or the name of a shard would leave its folder.
 * @throws {LimitError} when it holds more than may be read of it.
 */
export async function readSafetensorsIndex(
  source: ByteSource,
  options: LimitOptions = {},
): Promise<Pick<SafetensorsIndex, "metadata" | "weightMap">> {
  const file = source.name;
  const bad = (message: string, tensor?: string) => new InvalidFormatError(`${file}: ${message}`, { file, tensor });
  if (source.size === 0) throw bad("the file is empty (0 bytes); a safetensors index (JSON) was expected.");
  const limits = limitsOf(options);
  const over = (name: "tensors" | "files", what: string, found: number) =>
    overLimit(limits, name, what, found, { file });
  const bytes = await jsonBytes(source, options);
  const what = /^(\xef\xbb\xbf)?\s*\{/.test(String.fromCharCode(...bytes.subarray(0, sniffedBytes)))
    ? ""
    : sniff(bytes);
  if (what !== "") throw bad(`not a safetensors index (JSON).${what}`);
  const root = parseJson(bytes, { limits }, { file, part: "index", offset: 0 });
  const map = root instanceof Map ? root.get("weight_map") : undefined;
  if (!(map instanceof Map)) throw bad(`not a safetensors index: it has no object "weight_map".${errorMessage(bytes)}`);
  if (map.size === 0) throw bad('its "weight_map" names no tensor.');
  if (map.size > limits.tensors) throw over("tensors", `it names ${map.size} tensors`, map.size);
  const weightMap = new Map<string, string>();
  for (const [tensor, shard] of map) {
    if (typeof shard !== "string") throw bad(`the file of tensor ${quote(tensor)} is not text.`, tensor);
    // "./shard" is how some tools write it.
    const name = shard.replace(/^(\.\/+)+/, "");
    if (!staysInFolder(name)) {
      throw bad(
        `tensor ${quote(tensor)} is said to be in ${quote(shard)}; a shard must lie in the folder of the index: a relative name, with / between folders and no "..".`,
        tensor,
      );
    }
    weightMap.set(tensor, name);
  }
  const files = new Set(weightMap.values()).size;
  if (files > limits.files) throw over("files", `it names ${files} files`, files);
  const metadata = (root as Map<string, JsonValue>).get("metadata");
  return { metadata: metadata instanceof Map ? metadata : new Map(), weightMap };
}

function indexText(value: JsonValue, indent: string): string {
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    return value.length === 0
      ? "[]"
      : `[\n${value.map((item) => inner + indexText(item, inner)).join(",\n")}\n${indent}]`;
  }
  if (!(value instanceof Map)) return JSON.stringify(value);
  if (value.size === 0) return "{}";
  const names = [...value.keys()].sort();
  return `{\n${names.map((name) => `${inner}${JSON.stringify(name)}: ${indexText(value.get(name)!, inner)}`).join(",\n")}\n${indent}}`;
}
