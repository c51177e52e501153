/**
 * A safetensors model as a whole: one file, or an index with its shards, behind the fields of a single file. The shards'
 * bytes count as one source, end to end in the order in which the index first names them, so whatever reads a
 * SafetensorsFile (tensorRows, tensorChunks, pairsOf) reads a set as it stands.
 */
import { InvalidFormatError } from "../../errors.js";
import { checkRange, type ByteSource } from "../../formats/bytes.js";
import {
  openSafetensors,
  openSafetensorsIndex,
  tensorChunks,
  tensorRows,
  type JsonValue,
  type LimitOptions,
  type SafetensorsFile,
  type SafetensorsTensor,
} from "../../formats/index.js";
import { quote } from "../../formats/json.js";
import type { RowSource } from "../../matrix.js";
import { metadataKey } from "../description.js";

/** A tensor of a set; `start` and `end` count over the bytes of all shards, end to end. */
export interface SetTensor extends SafetensorsTensor {
  /** Name of its file, as the index gives it; of a single file, its own name without folders. */
  readonly shard: string;
}

/** An open model in one safetensors file or several. */
export interface SafetensorsSet extends SafetensorsFile {
  /** All shards end to end; named as what was opened. `size` is their total, without the index. */
  readonly source: ByteSource;
  /** Tensors by name: shard by shard, in the order of their data. */
  readonly tensors: ReadonlyMap<string, SetTensor>;
  /** `__metadata__` of all shards; where they differ, the first shard that has the key. */
  readonly metadata: Readonly<Record<string, string>>;
  /** File name (relative to the index) -> open file. */
  readonly shards: ReadonlyMap<string, SafetensorsFile>;
  /** What the index says; undefined for a single file. */
  readonly index: ShardIndex | undefined;
  /** A 2-D float tensor as rows; see tensorRows for the errors. */
  rows(name: string): RowSource;
  /** The raw bytes of a tensor, in order, in chunks of at most 4 MiB. */
  chunks(name: string): AsyncIterable<Uint8Array>;
}

export interface ShardIndex {
  /** total_size and the like. */
  readonly metadata: ReadonlyMap<string, JsonValue>;
  /** Tensor name -> shard name. */
  readonly weightMap: ReadonlyMap<string, string>;
}

/**
 * Opens one safetensors file, or an index and all its shards: told apart by content. `resolve` turns a shard's name
 * (relative to the index, never leaving its folder) into its bytes; whoever opens files there closes them, also when this throws.
 *
 * Cost: one pass over each header. Memory: the headers' entries.
 * @throws {InvalidFormatError} when a file breaks its format, index and shards do not belong together, a tensor stands in
 *   two shards, or two shards describe factors.
 * @throws {LimitError} when the index or a header holds more than `options.limits` allow.
 */
export async function openSafetensorsSet(
  source: ByteSource,
  resolve: (shard: string) => ByteSource | Promise<ByteSource>,
  options: LimitOptions = {},
): Promise<SafetensorsSet> {
  if (!/\.json$/i.test(source.name) && !(await isJson(source))) return setOf(await openSafetensors(source, options));
  const { metadata, weightMap, shards } = await openSafetensorsIndex(source, resolve, options);
  return join(source.name, shards, { metadata, weightMap });
}

/** A single open file as a set; a set as it is. */
export function setOf(file: SafetensorsFile): SafetensorsSet {
  if ("shards" in file) return file as SafetensorsSet;
  const name = file.source.name.replace(/^.*[/\\]/, "");
  return join(file.source.name, new Map([[name, file]]), undefined);
}

/** A safetensors file may begin with '{' too (a header of 123 bytes), but then zeros follow, which JSON never holds. */
async function isJson(source: ByteSource): Promise<boolean> {
  const start = await source.slice(0, Math.min(64, source.size));
  const text = String.fromCharCode(...start);
  return /^(\xef\xbb\xbf)?\s*\{/.test(text) && !text.slice(0, 8).includes("\0");
}

function join(
  name: string,
  shards: ReadonlyMap<string, SafetensorsFile>,
  index: ShardIndex | undefined,
): SafetensorsSet {
  const tensors = new Map<string, SetTensor>();
  const headerOrder: string[] = [];
  const metadata: Record<string, string> = Object.create(null);
  let metadataEntries: [string, string][] | undefined;
  let described: string | undefined;
  let offset = 0;
  for (const [shard, file] of shards) {
    for (const tensor of file.tensors.values()) {
      const twin = tensors.get(tensor.name);
      if (twin) throw standsTwice(name, tensor.name, twin.shard, shard);
      tensors.set(tensor.name, { ...tensor, start: offset + tensor.start, end: offset + tensor.end, shard });
    }
    for (const tensor of file.headerOrder) headerOrder.push(tensor);
    for (const [key, value] of file.metadataEntries ?? []) {
      if (key === metadataKey) {
        if (described !== undefined) throw describedTwice(name, described, shard);
        described = shard;
      }
      if (key in metadata) continue;
      metadata[key] = value;
      (metadataEntries ??= []).push([key, value]);
    }
    offset += file.source.size;
  }
  const source = shards.size === 1 ? soleSource(name, shards) : endToEnd(name, [...shards.values()]);
  const { dataStart } = shards.values().next().value!;
  const file: SafetensorsFile = { source, metadata, metadataEntries, tensors, headerOrder, dataStart };
  return {
    ...file,
    tensors,
    shards,
    index,
    rows: (tensor) => tensorRows(file, tensor),
    chunks: (tensor) => tensorChunks(file, tensor),
  };
}

function soleSource(name: string, shards: ReadonlyMap<string, SafetensorsFile>): ByteSource {
  const { source } = shards.values().next().value!;
  return {
    name,
    size: source.size,
    slice: (start, end) => source.slice(start, end),
    at: (start) => source.at?.(start),
  };
}

function endToEnd(name: string, files: readonly SafetensorsFile[]): ByteSource {
  const parts: { source: ByteSource; start: number }[] = [];
  let size = 0;
  for (const { source } of files) {
    parts.push({ source, start: size });
    size += source.size;
  }
  return {
    name,
    size,
    at(start) {
      const part = parts.find(({ start: from, source }) => from <= start && start < from + source.size);
      return part?.source.at?.(start - part.start);
    },
    async slice(start, end) {
      checkRange(name, size, start, end);
      const touched = parts.filter((part) => part.start < end && start < part.start + part.source.size);
      const read = ({ source, start: from }: (typeof parts)[number]) =>
        source.slice(Math.max(0, start - from), Math.min(source.size, end - from));
      if (touched.length === 1) return read(touched[0]); // every tensor: its shard's own view, not a copy
      const bytes = new Uint8Array(end - start);
      for (const part of touched) bytes.set(await read(part), Math.max(0, part.start - start));
      return bytes;
    },
  };
}

function standsTwice(file: string, tensor: string, first: string, second: string): InvalidFormatError {
  return new InvalidFormatError(
    `${file}: tensor ${quote(tensor)} stands in ${quote(first)} and again in ${quote(second)}; each tensor was expected in one shard. Save the model again.`,
    { file, tensor },
  );
}

function describedTwice(file: string, first: string, second: string): InvalidFormatError {
  return new InvalidFormatError(
    `${file}: ${quote(first)} and ${quote(second)} both describe factors (metadata "${metadataKey}"); one of them was compressed on its own. Expand the shards before you put them together, and compress the index.`,
    { file },
  );
}
