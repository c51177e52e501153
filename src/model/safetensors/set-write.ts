/**
 * A safetensors model written back with changes. Each shard keeps its name and its tensors; what replaces a tensor stays in
 * that tensor's shard; a shard without changes is copied byte for byte. Metadata that is set goes to the first shard (in
 * the order of the set) and leaves all others, so that openSafetensorsSet finds it once.
 */
import { InvalidInputError, throwIfAborted } from "../../errors.js";
import { memorySink, readChunks } from "../../formats/bytes.js";
import {
  findTensor,
  layOutSafetensors,
  tensorChunks,
  writeSafetensors,
  writeSafetensorsIndex,
  type JsonValue,
  type SafetensorsFile,
  type SafetensorsInput,
} from "../../formats/index.js";
import { quote } from "../../formats/json.js";
import type { OutputFile } from "../model.js";
import type { SafetensorsSet, ShardIndex } from "./set.js";

/** Changes to a model; what is not named passes through byte for byte. */
export interface SafetensorsEdits {
  /** Tensor name -> what stands in its place: its factors, its product, or nothing. */
  readonly replaced: ReadonlyMap<string, readonly SafetensorsInput[]>;
  /** `__metadata__` to set; undefined takes a key away. */
  readonly metadata?: ReadonlyMap<string, string | undefined>;
}

/**
 * The files that make the edited model, in the order in which they must be put in place: shards first, the main file, named
 * "", last. `target` is the name that the main file will have: with ".json" at its end it is an index, with the set's own
 * shards beside it; with any other the whole model goes into one file.
 *
 * Nothing is read before the files are written; `byteLength` is exact.
 * @throws {InvalidInputError} when a tensor to replace is not there, a name would stand twice, or a single file is to
 *   become an index.
 */
export async function editedFiles(set: SafetensorsSet, edits: SafetensorsEdits, target: string): Promise<OutputFile[]> {
  for (const name of edits.replaced.keys()) findTensor(set, name);
  const { index, shards } = set;
  const all = [...shards.values()].flatMap((file) => editedTensors(file, edits));
  checkNames(set, all);
  if (!/\.json$/i.test(target)) return [outputFile("", all, editedMetadata(set, edits, true))];
  if (!index) {
    throw new InvalidInputError(
      `${target} names an index, but ${set.source.name} is a single file. Name an output that ends with .safetensors.`,
      { file: target },
    );
  }
  checkFileNames([...shards.keys()], target);
  const first = shards.keys().next().value;
  const files = [...shards].map(([name, file]) =>
    isChanged(file, edits, name === first)
      ? outputFile(name, editedTensors(file, edits), editedMetadata(file, edits, name === first))
      : copied(name, file),
  );
  return [...files, await editedIndex(set, index, edits, all)];
}

function editedTensors(file: SafetensorsFile, { replaced }: SafetensorsEdits): SafetensorsInput[] {
  return [...file.tensors.values()].flatMap(
    ({ name, dtype, shape, byteLength }): readonly SafetensorsInput[] =>
      replaced.get(name) ?? [{ name, dtype, shape, byteLength, chunks: () => tensorChunks(file, name) }],
  );
}

/** `takes`: the file that takes what is set; the others only lose it. Undefined where nothing is left. */
function editedMetadata(
  { metadataEntries = [] }: Pick<SafetensorsFile, "metadataEntries">,
  { metadata }: SafetensorsEdits,
  takes: boolean,
): [string, string][] | undefined {
  const entries = metadataEntries.filter(([key]) => !metadata?.has(key)).map(([k, v]): [string, string] => [k, v]);
  if (takes) for (const [key, value] of metadata ?? []) if (value !== undefined) entries.push([key, value]);
  return entries.length > 0 ? entries : undefined;
}

function isChanged(file: SafetensorsFile, { replaced, metadata }: SafetensorsEdits, takes: boolean): boolean {
  for (const name of file.tensors.keys()) if (replaced.has(name)) return true;
  for (const [key, value] of metadata ?? []) if (file.metadata[key] !== (takes ? value : undefined)) return true;
  return false;
}

function outputFile(name: string, tensors: readonly SafetensorsInput[], metadata?: [string, string][]): OutputFile {
  const { byteLength } = layOutSafetensors(tensors, metadata);
  return { name, byteLength, write: (sink, options) => writeSafetensors(sink, { tensors, metadata }, options) };
}

function copied(name: string, { source }: SafetensorsFile): OutputFile {
  return {
    name,
    byteLength: source.size,
    async write(sink, { signal } = {}) {
      for await (const chunk of readChunks(source)) {
        throwIfAborted(signal);
        await sink.write(chunk);
      }
    },
  };
}

async function editedIndex(
  set: SafetensorsSet,
  index: ShardIndex,
  { replaced }: SafetensorsEdits,
  tensors: readonly SafetensorsInput[],
): Promise<OutputFile> {
  // A tensor that the old index did not name stays unnamed, unless it was replaced.
  const weightMap = new Map<string, string>();
  for (const { name, shard } of set.tensors.values()) {
    const instead = replaced.get(name);
    if (instead) for (const tensor of instead) weightMap.set(tensor.name, shard);
    else if (index.weightMap.has(name)) weightMap.set(name, shard);
  }
  const metadata = new Map<string, JsonValue>(index.metadata);
  metadata.set(
    "total_size",
    tensors.reduce((sum, { byteLength }) => sum + byteLength, 0),
  );
  if (metadata.has("total_parameters")) {
    metadata.set(
      "total_parameters",
      tensors.reduce((sum, { shape }) => sum + shape.reduce((count, n) => count * n, 1), 0),
    );
  }
  const text = memorySink();
  await writeSafetensorsIndex(text, { metadata, weightMap });
  const bytes = text.bytes();
  return { name: "", byteLength: bytes.byteLength, write: (sink) => sink.write(bytes) };
}

/** On some systems names are one file when they differ by case alone, or by how a letter with an accent is put together. */
function checkFileNames(shards: readonly string[], target: string): void {
  const sameFile = (name: string) => name.normalize("NFC").toLowerCase();
  const seen = new Map<string, string>();
  for (const shard of shards) {
    const twin = seen.get(sameFile(shard));
    if (twin !== undefined) {
      throw new InvalidInputError(
        `The shards ${quote(twin)} and ${quote(shard)} would be one file on systems that do not tell their names apart. Save the model again with other names.`,
        { file: shard },
      );
    }
    seen.set(sameFile(shard), shard);
  }
  if (!seen.has(sameFile(target))) return;
  throw new InvalidInputError(`${target} cannot be the index: one of the model's shards has that name.`, {
    file: target,
  });
}

/** Names must differ over all shards, which the layout of a single shard cannot see. */
function checkNames(set: SafetensorsSet, tensors: readonly SafetensorsInput[]): void {
  const names = new Set<string>();
  for (const { name } of tensors) {
    if (names.has(name)) {
      throw new InvalidInputError(
        `${set.source.name} already has a tensor ${quote(name)}; leave the layer that would be replaced by it out with --exclude.`,
        { file: set.source.name, tensor: name },
      );
    }
    names.add(name);
  }
}
