// What a cluster is doing: its workers, its queues, what they have done.
import type { Redis } from "ioredis";
import type { Counters, WorkerState } from "./messages.js";
import { layerQueue, Names, shareQueue } from "./names.js";
import { connect, loadBullmq } from "./redis.js";

export interface QueueCounts {
  waiting: number;
  active: number;
  delayed: number;
  failed: number;
}

export interface ClusterStatus {
  workers: WorkerState[];
  /** Whole layers; and shares of the rows of large ones. */
  layers: QueueCounts;
  shares: QueueCounts;
  /** Matrices that are open. */
  matrices: number;
  /** Over all workers that ever were. */
  totals: Counters;
}

/** The workers whose sign of life has not expired, by name. */
export async function readWorkers(redis: Redis, names: Names): Promise<WorkerState[]> {
  const ids = await redis.smembers(names.workers);
  if (ids.length === 0) return [];
  const texts = await redis.mget(ids.map((id) => names.worker(id)));
  const gone = ids.filter((_, i) => texts[i] === null);
  if (gone.length) await redis.srem(names.workers, ...gone);
  return texts
    .flatMap((text) => stateIn(text) ?? [])
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1));
}

/** Undefined for one that is gone, and for what no worker wrote. */
function stateIn(text: string | null): WorkerState | undefined {
  try {
    const state = JSON.parse(text ?? "null") as WorkerState | null;
    const isWorker =
      [state?.id, state?.name, state?.release].every((each) => typeof each === "string") &&
      [state?.threads, state?.layers, state?.shares, state?.rowsPerSecond, state?.bytesPerSecond].every(
        Number.isFinite,
      ) &&
      Number.isFinite(state?.counters?.takenOver);
    return isWorker ? state! : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param options.redis address of Redis
 * @param options.prefix of all keys, default "loewner"
 * @throws {ClusterError} when Redis cannot be reached
 */
export async function clusterStatus(options: { redis: string; prefix?: string }): Promise<ClusterStatus> {
  const { Queue } = await loadBullmq();
  const redis = await connect(options.redis);
  const names = new Names(options.prefix ?? "loewner");
  const shared = { connection: redis, prefix: names.queues };
  const counts = async (name: string): Promise<QueueCounts> => {
    const queue = new Queue(name, shared);
    const found = await queue.getJobCounts("waiting", "prioritized", "waiting-children", "active", "delayed", "failed");
    await queue.close();
    const { waiting, active, delayed, failed } = found;
    return { waiting, active, delayed, failed };
  };
  try {
    const totals = await redis.hgetall(names.totals);
    const of = (name: keyof Counters) => Number(totals[name] ?? 0);
    return {
      workers: await readWorkers(redis, names),
      layers: await counts(layerQueue),
      shares: await counts(shareQueue),
      matrices: await redis.hlen(names.matrices),
      totals: {
        rows: of("rows"),
        bytesRead: of("bytesRead"),
        bytesSent: of("bytesSent"),
        sweeps: of("sweeps"),
        calls: of("calls"),
        claims: of("claims"),
        takenOver: of("takenOver"),
        failures: of("failures"),
      },
    };
  } finally {
    redis.disconnect();
  }
}
