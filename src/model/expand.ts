// Factors multiplied back, for tools that know nothing of them.
import { InvalidInputError } from "../errors.js";
import {
  decodeNumbers,
  encodeNumbers,
  rowTypeOf,
  tensorChunks,
  tensorRows,
  type SafetensorsFile,
  type SafetensorsInput,
} from "../formats/index.js";
import type { Loewner, RunOptions } from "../types/index.js";
import { passThrough } from "./compress.js";
import { metadataKey, pairsOf, type Pair } from "./pairs.js";

export interface ExpandedModel {
  tensors: SafetensorsInput[];
  metadata: [string, string][] | undefined;
  /** Names of the tensors that were made whole. */
  layers: string[];
}

/**
 * The same file with X in place of X.left and X.right. Products are computed while the file is being written.
 * @throws {InvalidInputError} when the file holds no factors
 */
export async function expandModel(
  loewner: Loewner,
  file: SafetensorsFile,
  options: RunOptions = {},
): Promise<ExpandedModel> {
  const pairs = pairsOf(file);
  if (pairs.size === 0) {
    throw new InvalidInputError(
      `${file.source.name} holds no factors: it was not compressed by loewner, or is expanded already.`,
      {
        file: file.source.name,
      },
    );
  }
  const byLeft = new Map([...pairs.values()].map((pair) => [pair.left, pair]));
  const rights = new Set([...pairs.values()].map((pair) => pair.right));
  const tensors = [...file.tensors.keys()]
    .filter((name) => !rights.has(name))
    .map((name) => (byLeft.has(name) ? product(loewner, file, byLeft.get(name)!, options) : passThrough(file, name)));
  const metadata = file.metadataEntries
    ?.filter(([key]) => key !== metadataKey)
    .map(([k, v]): [string, string] => [k, v]);
  return { tensors, metadata: metadata?.length ? metadata : undefined, layers: [...pairs.keys()] };
}

function product(loewner: Loewner, file: SafetensorsFile, pair: Pair, options: RunOptions): SafetensorsInput {
  const { name, rows, cols, leftTensor } = pair;
  const dtype = leftTensor.dtype;
  const type = rowTypeOf(dtype)!;
  return {
    name,
    dtype,
    shape: [rows, cols],
    byteLength: (rows * cols * leftTensor.byteLength) / (leftTensor.shape[0] * leftTensor.shape[1]),
    async *chunks() {
      const right = await readFactor(file, pair.right);
      // The product comes block by block; a queue of one turns the callback into a stream.
      let ready: ((bytes: Uint8Array | undefined) => void) | undefined;
      let taken: (() => void) | undefined;
      let next = new Promise<Uint8Array | undefined>((resolve) => (ready = resolve));
      const abort = new AbortController();
      const signal = options.signal ? AbortSignal.any([options.signal, abort.signal]) : abort.signal;
      const work = loewner.multiply(
        { left: tensorRows(file, pair.left), right },
        (_start, block) =>
          new Promise<void>((resolve) => {
            taken = resolve;
            ready!(encodeNumbers(block, type));
          }),
        { ...options, signal },
      );
      const ended = work.then(() => ready!(undefined));
      try {
        for (;;) {
          const bytes = await Promise.race([next, ended.then(() => next)]);
          if (!bytes) break;
          yield bytes;
          next = new Promise((resolve) => (ready = resolve));
          taken!();
        }
      } finally {
        abort.abort();
        taken?.();
        await work.catch(() => undefined);
      }
    },
  };
}

/** A small tensor as a matrix, in memory. */
export async function readFactor(file: SafetensorsFile, name: string) {
  const { dtype, shape, byteLength } = file.tensors.get(name)!;
  const bytes = new Uint8Array(byteLength);
  let at = 0;
  for await (const chunk of tensorChunks(file, name)) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return { data: decodeNumbers(bytes, rowTypeOf(dtype)!), rows: shape[0], cols: shape[1] };
}
