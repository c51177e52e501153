/**
 * Layers kept as they are finished, so that a run that ended early can be taken up again. Where they are kept is the caller's
 * matter (node/journal: a folder): this is what a place for them offers, and what is told of a layer there.
 *
 * A layer is taken up only if everything that determines its answer is the same: the bytes of its tensor, how it is fitted, the
 * row weights, the version of this package and of its kernel. So a run that takes up layers writes the bytes that one which was
 * not disturbed would have written.
 */
import { throwIfAborted } from "../errors.js";
import type { ByteSource } from "../formats/index.js";
import { abiVersion } from "../kernel/abi.js";
import { type RowSource, rowTypeBytes } from "../matrix.js";
import type { RowWeights } from "../types/index.js";
import type { Spill } from "./spill.js";
import { entryVersion, packLayer, unpackLayer, type JournalPart } from "./journal-layer.js";
import type { Layer, Model } from "./model.js";
import type { Skipped } from "./plan-options.js";
import type { StoredLayer } from "./stored.js";

/** What was found under a name: all of it as it was kept, or why not. */
export type JournalFinding =
  | { readonly state: "found"; readonly text: string; readonly parts: readonly ByteSource[] }
  | { readonly state: "absent" | "damaged" }
  /** Kept under another key. */
  | { readonly state: "changed"; readonly key: string };

/** A place that outlives the run: entries by name, each with a key, a text and bytes in parts. */
export interface Journal {
  /** Version of what computes; entries of another are not taken up. */
  readonly version: string;
  /** A digest that no two different sequences of bytes share. */
  digest(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string>;
  /** An entry whose bytes are checked to be those that were kept. Parts can be read until the journal is closed. */
  find(name: string, key: string): Promise<JournalFinding>;
  /**
   * Keeps an entry, in place of one of the same name. Parts are bytes, or what a `spill` of this journal gave. Keeping is a service:
   * when there is no room, nothing is kept and nothing is thrown.
   */
  keep(
    entry: { name: string; key: string; text: string; seconds: number },
    parts: readonly JournalPart[],
  ): Promise<void>;
  /** A place for a part that memory should not hold, before it is known whether it is kept. */
  spill(): Promise<Spill>;
}

export type { JournalPart };

/** What determines a layer's answer, beside its tensor and the version: plain data. */
export type LayerFacts = Readonly<Record<string, unknown>>;

/** The layers of one model in a journal. */
export class LayerJournal {
  /** Names of layers that were taken up. */
  readonly resumed: string[] = [];
  /** Layers of which an entry was there that could not be taken up, and why. */
  readonly anew: Skipped[] = [];
  private readonly digests = new Map<string, Promise<string>>();

  constructor(
    private readonly journal: Journal,
    private readonly model: Model,
  ) {}

  get spill(): () => Promise<Spill> {
    return () => this.journal.spill();
  }

  /** Tells numbers apart. */
  digest(numbers: Float64Array): Promise<string> {
    return Promise.resolve(
      this.journal.digest([new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)]),
    );
  }

  /** What `make` gives, taken from the journal or kept there. */
  async layer(
    layer: Layer,
    facts: LayerFacts,
    weights: RowWeights | undefined,
    signal: AbortSignal | undefined,
    make: () => Promise<StoredLayer>,
  ): Promise<StoredLayer> {
    const { name, kind } = layer;
    const key = await this.keyOf(layer, { ...facts, kind }, weights, signal);
    const found = await this.journal.find(name, key);
    if (found.state === "found") {
      this.resumed.push(name);
      return unpackLayer(name, found.text, found.parts);
    }
    if (found.state !== "absent") this.anew.push({ name, reason: reasonOf(found, key) });
    const made = await make();
    const { text, parts } = await packLayer(made);
    await this.journal.keep({ name, key, text, seconds: made.seconds }, parts);
    return made;
  }

  /** Numbers that planning needs of a layer, such as its singular values. */
  async numbers(
    layer: Layer,
    what: string,
    weights: RowWeights | undefined,
    signal: AbortSignal | undefined,
    make: () => Promise<Float64Array>,
  ): Promise<Float64Array> {
    const started = performance.now();
    const key = await this.keyOf(layer, {}, weights, signal);
    const name = `${what} of ${layer.name}`;
    const found = await this.journal.find(name, key);
    if (found.state === "found") {
      const [part] = found.parts;
      return new Float64Array((await part.slice(0, part.size)).slice().buffer);
    }
    const made = await make();
    const seconds = (performance.now() - started) / 1000;
    await this.journal.keep({ name, key, text: "", seconds }, [
      new Uint8Array(made.buffer, made.byteOffset, made.byteLength),
    ]);
    return made;
  }

  private async keyOf(layer: Layer, facts: LayerFacts, weights: RowWeights | undefined, signal?: AbortSignal) {
    const { name, shape, dtype, transposed } = layer;
    let tensor = this.digests.get(name);
    if (!tensor) {
      tensor = this.journal.digest(rowsInOrder(this.model.rows(name), signal));
      this.digests.set(name, tensor);
    }
    const rowWeights = weights && (await this.journal.digest([new Uint8Array(Float64Array.from(weights).buffer)]));
    const { version } = this.journal;
    return JSON.stringify({
      version,
      abi: abiVersion,
      entry: entryVersion,
      tensor: await tensor,
      shape,
      dtype,
      transposed,
      rowWeights,
      ...facts,
    });
  }
}

async function* rowsInOrder(rows: RowSource, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const step = Math.max(1, Math.floor((1 << 22) / (rows.cols * rowTypeBytes[rows.dtype])));
  for (let start = 0; start < rows.rows; start += step) {
    throwIfAborted(signal);
    yield await rows.read(start, Math.min(step, rows.rows - start));
  }
}

function reasonOf(found: Exclude<JournalFinding, { state: "found" }>, key: string): string {
  if (found.state !== "changed") return "what was kept of it is damaged";
  const [before, now] = [found.key, key].map((text) => JSON.parse(text) as Record<string, unknown>);
  if (["version", "abi", "entry"].some((key) => before[key] !== now[key]))
    return `it was kept by version ${String(before.version)}, and this is ${String(now.version)}`;
  if (before.tensor !== now.tensor) return "its tensor has changed since";
  if (before.rowWeights !== now.rowWeights) return "its row weights have changed since";
  return "other options were given then";
}
