// Decides where a call runs: as a whole with one worker, by all of them with the driver here, or here, when no worker can read the
// rows. Sizes decide, never the clock, and no bit of an answer depends on it.
import { shares } from "../engine/threads/shares.js";
import { InlineEngine } from "../engine/inline.js";
import { blockRows } from "../engine/sweep.js";
import { DisposedError, InvalidInputError } from "../errors.js";
import type { MatrixCache } from "../geometry/matrix-cache.js";
import { locationOf, type RowLocation } from "../location.js";
import type { Calls } from "../loewner.js";
import { bytesOf, type MatrixShape, type RowSource } from "../matrix.js";
import { checkBytes } from "../options.js";
import { bytesToSend, sendOptions } from "../schedule/transfer.js";
import { runPrimitive } from "../schedule/far-scales.js";
import { CountedMatrix } from "../schedule/open-rows.js";
import type { OptionsOf, PrimitiveName, ResultOf } from "../schedule/primitives/index.js";
import { Scheduler } from "../schedule/scheduler.js";
import { workerScript } from "../schedule/worker-script.js";
import type { OpenMatrix, WeightedOptions } from "../types/index.js";
import type { ClusterSchedulerOptions } from "./cluster-options.js";
import { ClusterEngine } from "./cluster-engine.js";
import { ClusterMatrix } from "./cluster-matrix.js";
import type { Coordinator } from "./coordinator.js";
import { addressFrom, fingerprintOf } from "./storage.js";

type Options = WeightedOptions & Readonly<Record<string, unknown>>;
type ClusterMatrices = { whole?: ClusterMatrix; shared?: ClusterMatrix };

/** Rows of a share that are worth the messages. */
const leastShareBytes = 4 << 20;
/** Rows whose products take a thread as long as a share's sums take through Redis: 24 bytes over 300 MB/s at 30 GFLOP/s. */
const rowsPerShare = 2400;
/** A cols x cols matrix of f64 has to fit into one value of Redis, 512 MB. */
const mostCols = 8000;

export class ClusterScheduler implements Calls {
  private disposed = false;
  /** Matrices that all workers share take turns. */
  private turn: Promise<unknown> = Promise.resolve();
  private readonly closing = new Set<Promise<void>>();
  private readonly noticed = new Set<string>();

  private constructor(
    private readonly coordinator: Coordinator,
    private readonly cluster: ClusterEngine,
    private readonly local: Scheduler,
    /** Threads of all workers when it began: so many calls run side by side. */
    readonly threads: number,
    private readonly options: ClusterSchedulerOptions & { shareBytes: number },
  ) {}

  static async create(
    coordinator: Coordinator,
    kernel: WebAssembly.Module,
    options: ClusterSchedulerOptions,
  ): Promise<ClusterScheduler> {
    const { threads = 1, memory, shares: count = 1 } = options;
    const { shareBytes = 128 << 20, waitingBytes = 512 << 20, logBytes = 64 << 20 } = options;
    checkBytes({ shareBytes, waitingBytes, logBytes });
    if (!(Number.isSafeInteger(count) && count >= 1 && count <= 4096))
      throw new InvalidInputError(`shares must be a whole number from 1 to 4096; got ${String(count)}.`);
    const local = await Scheduler.create(kernel, { threads, memory }, workerScript);
    const engine = new ClusterEngine(await InlineEngine.create(kernel), { waitingBytes, logBytes });
    const slots = await coordinator.waitForWorkers();
    return new ClusterScheduler(coordinator, engine, local, slots, { ...options, shareBytes });
  }

  get engine() {
    return this.local.engine;
  }

  check(): void {
    if (this.disposed) throw new DisposedError();
    this.coordinator.check();
  }

  exclusively<Result>(body: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    this.check();
    return this.local.exclusively(body, signal);
  }

  threadsFor(shape: MatrixShape): number {
    return this.isLarge(shape) ? this.threads : 1;
  }

  open(source: RowSource): OpenMatrix {
    this.check();
    return new ClusterRowsOpen(source, this.threadsFor(source), this, this.local.open(source), (matrices) =>
      this.release(matrices),
    );
  }

  async run<Name extends PrimitiveName>(
    name: Name,
    given: RowSource,
    options: OptionsOf<Name> & WeightedOptions,
    checked: Promise<void>,
  ): Promise<ResultOf<Name>> {
    this.check();
    const opened = given instanceof ClusterRowsOpen && given.owner === this ? given : undefined;
    const source = opened?.source ?? given;
    opened?.enter();
    try {
      await checked;
      const plain = options as unknown as Options;
      const isTransferable = bytesToSend(source, plain) < Infinity;
      const isLarge = this.isLarge(source) || !isTransferable;
      const stored = isLarge && source.cols > mostCols ? undefined : await locationOf(source);
      const isWorthIt = bytesOf(source) >= 2 * leastShareBytes || this.options.shares !== undefined;
      if (!stored) this.noticeHere(source);
      if (!stored || (isLarge && !isWorthIt))
        return await this.local.run(name, opened?.here ?? source, options, checked);
      const matrices: ClusterMatrices = opened?.matrices ?? {};
      try {
        const result = isLarge
          ? await this.inTurn(() => this.shared(name, source, stored, plain, matrices, opened?.cache))
          : await this.whole(name, source, stored, plain, matrices);
        return result as ResultOf<Name>;
      } finally {
        if (!opened) this.release(matrices);
      }
    } finally {
      opened?.leave();
    }
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.local.dispose();
    this.cluster.dispose();
    // Orders to let go are under way; nothing waits for them.
    void Promise.allSettled(this.closing).then(() => this.coordinator.end());
  }

  /** Small matrices are made in passing by many calls; of a larger one it should be known. */
  private noticeHere(source: RowSource): void {
    const { name = "A matrix", rows, cols } = source;
    if (bytesOf(source) < leastShareBytes || this.noticed.has(name)) return;
    this.noticed.add(name);
    const why = cols > mostCols ? `has more than ${mostCols} columns` : "lies where no worker can read it";
    this.coordinator.onNotice(`${name} (${rows} x ${cols}) ${why}: it is worked on here`);
  }

  private isLarge(source: MatrixShape): boolean {
    return bytesOf(source) >= this.options.shareBytes;
  }

  private async whole(
    name: PrimitiveName,
    source: RowSource,
    location: RowLocation,
    options: Options,
    matrices: ClusterMatrices,
  ): Promise<unknown> {
    matrices.whole ??= new ClusterMatrix(this.coordinator, source, undefined, await this.stored(source, location));
    const { signal, onProgress } = options;
    const sent = await sendOptions(options, signal ?? new AbortController().signal);
    const [result] = await matrices.whole.ask({ type: "call", primitive: name, options: sent }, { signal, onProgress });
    return result;
  }

  /** The driver runs here. */
  private async shared(
    name: PrimitiveName,
    source: RowSource,
    location: RowLocation,
    options: Options,
    matrices: ClusterMatrices,
    cache: MatrixCache | undefined,
  ): Promise<unknown> {
    this.check();
    matrices.shared ??= new ClusterMatrix(
      this.coordinator,
      source,
      shares(Math.ceil(source.rows / blockRows), this.sharesOf(source)),
      await this.stored(source, location),
    );
    const { cluster } = this;
    cluster.share(source, matrices.shared);
    try {
      const known = cache?.with(options.rowWeights);
      return await runPrimitive(name, { engine: cluster, source, options, hooks: options, cache: known });
    } finally {
      cluster.close();
      await cluster.endClosed().catch(() => undefined);
      await matrices.shared.forget().catch(() => undefined);
    }
  }

  /**
   * More shares divide the work and multiply the sums that the coordinator takes in, a few cols x cols matrices a share: both take as
   * long at the square root of the rows over `rowsPerShare`, whatever the columns (docs/scaling.md).
   */
  private sharesOf(source: RowSource): number {
    const most = Math.min(
      Math.floor(bytesOf(source) / leastShareBytes),
      Math.floor(Math.sqrt(source.rows / rowsPerShare)),
    );
    const { shares: wanted = Math.min(this.threads, most) } = this.options;
    return Math.max(1, Math.min(wanted, Math.ceil(source.rows / blockRows)));
  }

  private async stored(source: RowSource, location: RowLocation) {
    const address = addressFrom(location.address, this.options.storage);
    return { location: { ...location, address }, fingerprint: await fingerprintOf(source, location) };
  }

  private inTurn<Result>(body: () => Promise<Result>): Promise<Result> {
    const result = this.turn.then(body);
    this.turn = result.catch(() => undefined);
    return result;
  }

  private release({ whole, shared }: ClusterMatrices): void {
    for (const matrix of [whole, shared]) {
      if (!matrix) continue;
      const closing = matrix.close().finally(() => this.closing.delete(closing));
      this.closing.add(closing);
    }
  }
}

class ClusterRowsOpen extends CountedMatrix {
  readonly matrices: ClusterMatrices = {};

  constructor(
    source: RowSource,
    threads: number,
    owner: unknown,
    /** For calls that run here. */
    readonly here: OpenMatrix,
    onEnd: (matrices: ClusterMatrices) => void,
  ) {
    super(source, threads, owner, () => {
      here.close();
      onEnd(this.matrices);
    });
  }
}
