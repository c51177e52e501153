/**
 * How much of a file is read into memory before anything is known of it: headers, lists of names, graphs. Files come from strangers, and
 * the numbers in them are read by ranges in any case. docs/limits.md is the table for people.
 */
import { type ErrorPlace, InvalidInputError, LimitError } from "../errors.js";
import type { ByteSource } from "./bytes.js";

/** Whole numbers of at least 1; a file that passes one is refused with LimitError, which names it. */
export interface ReadLimits {
  /** Header of a safetensors file, in bytes. Default 100 000 000, which the format itself allows. */
  readonly headerBytes: number;
  /** JSON files that are read whole: an index of shards, tokenizer.json, config.json. Default 2^28. */
  readonly jsonBytes: number;
  /** Objects and lists inside one another, in any JSON. Default 32, at most 1000. */
  readonly jsonDepth: number;
  /** Values in a safetensors header or an index. Default 2 000 000. */
  readonly jsonValues: number;
  /** Header of an .npy file, in bytes. Default 65 536. */
  readonly npyHeaderBytes: number;
  /** Tensors of a safetensors file, an index or an ONNX model. Default 500 000. */
  readonly tensors: number;
  /** Files that a model lies in beside its main file: shards, or external data. Default 10 000. */
  readonly files: number;
  /** An ONNX model without the numbers of its tensors: what is decoded of it, in bytes. Default 2^28. */
  readonly graphBytes: number;
  /** Nodes of an ONNX model, of its subgraphs and functions as well. Default 2 000 000. */
  readonly graphNodes: number;
  /** Values that an ONNX model describes: inputs, outputs and value_info of all its graphs. Default 2 000 000. */
  readonly graphValues: number;
  /** Messages inside one another in an ONNX model: three for each graph in a node. Default 100, at most 1000. */
  readonly graphDepth: number;
  /** One name or one value of the metadata in an ONNX model, in bytes. Default 2^24. */
  readonly textBytes: number;
}

/** What functions that open files take. */
export interface LimitOptions {
  /** Those that differ from `defaultLimits`. */
  limits?: Partial<ReadLimits>;
}

export const defaultLimits: ReadLimits = {
  headerBytes: 100_000_000,
  jsonBytes: 2 ** 28,
  jsonDepth: 32,
  jsonValues: 2_000_000,
  npyHeaderBytes: 65_536,
  tensors: 500_000,
  files: 10_000,
  graphBytes: 2 ** 28,
  graphNodes: 2_000_000,
  graphValues: 2_000_000,
  graphDepth: 100,
  textBytes: 2 ** 24,
};

/** Readers call themselves once a level: more would pass the stack of some runtime. */
const mostDepth = 1000;

/** @throws {InvalidInputError} for a name that is no limit, or a value that is no whole number in range */
export function limitsOf({ limits = {} }: LimitOptions = {}): ReadLimits {
  for (const [name, value] of Object.entries(limits)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(defaultLimits, name))
      throw new InvalidInputError(`${name} is no limit; there are ${Object.keys(defaultLimits).join(", ")}.`);
    const most = /Depth$/.test(name) ? mostDepth : Number.MAX_SAFE_INTEGER;
    if (!Number.isSafeInteger(value) || value < 1 || value > most)
      throw new InvalidInputError(`The limit ${name} must be a whole number from 1 to ${most}; got ${value}.`);
  }
  const given = Object.entries(limits).filter(([, value]) => value !== undefined);
  return { ...defaultLimits, ...Object.fromEntries(given) };
}

/**
 * All bytes of a JSON file.
 * @throws {LimitError} when there are more than `jsonBytes`
 */
export async function jsonBytes(source: ByteSource, options: LimitOptions): Promise<Uint8Array> {
  const limits = limitsOf(options);
  const { size, name } = source;
  if (size > limits.jsonBytes)
    throw overLimit(limits, "jsonBytes", `a JSON file of ${size} bytes`, size, { file: name });
  return source.slice(0, size);
}

/** A limit as the command line spells it: header-bytes. */
export function limitFlag(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/**
 * The error of a file that passes a limit.
 * @param what a sentence's beginning: "a header of 200 bytes"
 * @param found how many there are, or undefined where counting stopped
 */
export function overLimit(
  limits: ReadLimits,
  name: keyof ReadLimits,
  what: string,
  found: number | undefined,
  place: ErrorPlace & { file: string },
): LimitError {
  const most = limits[name];
  const enough = found ?? 2 * most;
  return new LimitError(
    `${place.file}: ${what}; at most ${most} are read. If you trust the file, allow more: --limit ${limitFlag(name)}=${enough}, or limits: { ${name}: ${enough} } in JavaScript.`,
    { limit: name, found: found ?? most + 1, most },
    place,
  );
}
