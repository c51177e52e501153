/**
 * `loewner/cluster`: the library on a queue of machines, for Node. Needs bullmq and ioredis beside it, and a Redis that all reach.
 */
import { inlinedKernel } from "../kernel/inlined.js";
import { loewnerFrom } from "../loewner.js";
import type { Loewner } from "../types/index.js";
import type { ClusterOptions } from "./cluster-options.js";
import { ClusterScheduler } from "./cluster-scheduler.js";
import { Coordinator } from "./coordinator.js";
import { checkOptions, type Names } from "../option-names.js";

export { startClusterWorker, type ClusterWorker, type ClusterWorkerOptions } from "./worker.js";
export { clusterStatus, type ClusterStatus, type QueueCounts } from "./status.js";
export { clusterMetrics, workerMetrics } from "./metrics.js";
export type { Counters, WorkerState } from "./messages.js";
export { locate, type RowLocation } from "../location.js";
export { ClusterError } from "../errors.js";

const connectClusterNames: Names<ClusterOptions> = {
  redis: 1,
  prefix: 1,
  lifeMs: 1,
  patienceMs: 1,
  onNotice: 1,
  shareBytes: 1,
  shares: 1,
  waitingBytes: 1,
  logBytes: 1,
  storage: 1,
  threads: 1,
  memory: 1,
};
export type { ClusterOptions };

/**
 * The library, with workers that read the rows themselves: matrices of files that were opened by their path or http address (`openNpy`,
 * `openModelPath`, or any row source that `locate` knows). Others are worked on here. The answers have the same bytes as those of
 * `createLoewner()`. Waits for the first worker.
 * @throws {ClusterError} when Redis cannot be reached or is not fit for it, or no worker comes
 * @throws {UnsupportedRuntimeError} without bullmq and ioredis
 * @throws {InvalidInputError} for options out of range
 */
export async function connectCluster(options: ClusterOptions): Promise<Loewner> {
  checkOptions("connectCluster", options, connectClusterNames);
  const coordinator = await Coordinator.connect(options);
  try {
    return loewnerFrom(await ClusterScheduler.create(coordinator, await inlinedKernel(), options));
  } catch (error) {
    await coordinator.end();
    throw error;
  }
}
