// Where the left factor goes: into memory, to whoever asked for it block by block, or nowhere.
import { placing, type FactorSink } from "../geometry/basis/factors.js";
import type { LowRankOptions } from "../types/index.js";

/** Where the left factor goes. */
export class Left {
  /** Empty when it goes elsewhere or nowhere. */
  readonly data: Float64Array | Float32Array;
  /** What is made by the way is kept here. */
  readonly keep: FactorSink | undefined;
  readonly sink: FactorSink | undefined;

  constructor(wanted: LowRankOptions["left"], n: number, rank: number, factorType: LowRankOptions["factorType"]) {
    const length = wanted === undefined ? n * rank : 0;
    const data = factorType === "f64" ? new Float64Array(length) : new Float32Array(length);
    this.data = data;
    this.sink = wanted ? { emit: wanted } : undefined;
    this.keep = wanted === undefined ? placing(data, rank) : undefined;
  }
}

/** A left factor, block by block. */
export async function handOver(left: Float32Array | Float64Array, { emit }: FactorSink, rank: number): Promise<void> {
  for (let at = 0; at < left.length; at += 256 * rank) await emit(at / rank, left.subarray(at, at + 256 * rank));
}
