import type { Held } from "./engine/memory.js";
import type { Engine } from "./engine/sweep.js";
import { ThreadsEngine, type ThreadOptions } from "./engine/threads/engine.js";
import { DisposedError, throwIfAborted } from "./errors.js";
import { checkEntrywise, entrywiseLowRank } from "./geometry/entrywise.js";
import { checkCoreset, coreset } from "./geometry/coreset.js";
import { checkCoresetStream, openCoresetStream } from "./geometry/coreset-stream.js";
import { leverageScores } from "./geometry/leverage.js";
import { checkLevelSet, levelSetEllipsoid } from "./geometry/level-set.js";
import { checkLewis, lewisWeights } from "./geometry/lewis.js";
import { checkMinVolume, johnEllipsoid, minVolumeEllipsoid } from "./geometry/min-volume.js";
import {
  checkMultiply,
  checkPairResidual,
  multiply,
  pairResidual,
  singularValues,
  type MultiplyOptions,
} from "./geometry/pair.js";
import { checkQuantise, quantise } from "./geometry/quantise.js";
import { checkSubspace, robustSubspace } from "./geometry/subspace.js";
import { Run } from "./geometry/run.js";
import { certify, checkCertify } from "./low-rank/certificate.js";
import { checkLowRank, lowRank } from "./low-rank.js";
import {
  heldByCertify,
  heldByDefault,
  heldByEllipsoid,
  heldByEntrywise,
  heldByLeverage,
  heldByLowRank,
  heldByNone,
} from "./held.js";
import { checkSensitivities, sensitivities } from "./geometry/sensitivities.js";
import { toRowSource, type Matrix, type MatrixLike, type RowSource } from "./matrix.js";
import { checkRowWeights } from "./options.js";
import type {
  CertifyOptions,
  EntrywiseOptions,
  CoresetOptions,
  CoresetStreamOptions,
  FactorPair,
  LevelSetOptions,
  Loewner,
  LewisOptions,
  JohnOptions,
  LowRankFactors,
  LowRankOptions,
  LowRankResult,
  MinVolumeOptions,
  QuantiseOptions,
  RunOptions,
  SubspaceOptions,
  SensitivityOptions,
  WeightedOptions,
} from "./types/index.js";

export type CreateOptions = ThreadOptions;

/**
 * Compiles the kernel (once a program) and gives an instance with a memory of its own. Threads start when a matrix is first
 * large enough for them.
 *
 * With `memory`, calls whose matrix needs more fail before they begin with OutOfMemoryError, which says the smallest that works.
 * @throws {InvalidInputError} when tileRows is not a positive multiple of 256, memory is not above 0, or there cannot be as many
 *   threads
 */
export async function createLoewner(options: CreateOptions = {}): Promise<Loewner> {
  return new Instance(await ThreadsEngine.create(options));
}

class Instance implements Loewner {
  private queue: Promise<unknown> = Promise.resolve();
  private disposed = false;

  constructor(private readonly engine: Engine) {}

  leverageScores(a: MatrixLike, options: WeightedOptions = {}) {
    return this.call(a, options, leverageScores, undefined, heldByLeverage);
  }

  lewisWeights(a: MatrixLike, options: LewisOptions = {}) {
    return this.call(a, options, lewisWeights, checkLewis);
  }

  lowRank(a: MatrixLike, options: LowRankOptions & { report: false }): Promise<LowRankFactors>;
  lowRank(a: MatrixLike, options: LowRankOptions & { report?: true }): Promise<LowRankResult>;
  lowRank(a: MatrixLike, options: LowRankOptions): Promise<LowRankFactors | LowRankResult> {
    return this.call(a, options, lowRank, checkLowRank, heldByLowRank);
  }

  singularValues(a: MatrixLike, options: WeightedOptions = {}) {
    return this.call(a, options, singularValues, undefined, heldByNone);
  }

  residual(a: MatrixLike, factors: FactorPair, options: WeightedOptions & { p?: number } = {}) {
    return this.call(a, { ...options, ...factors }, pairResidual, checkPairResidual);
  }

  certify(a: MatrixLike, right: Matrix, options: CertifyOptions = {}) {
    return this.call(a, { ...options, right }, certify, checkCertify, heldByCertify);
  }

  multiply({ left, right }: FactorPair, sink: MultiplyOptions["sink"], options: RunOptions = {}) {
    return this.call(left, { ...options, right, sink }, multiply, checkMultiply, heldByNone);
  }

  minVolumeEllipsoid(points: MatrixLike, options: MinVolumeOptions = {}) {
    return this.call(points, options, minVolumeEllipsoid, checkMinVolume);
  }

  johnEllipsoid(a: MatrixLike, options: JohnOptions = {}) {
    return this.call(a, options, johnEllipsoid, checkMinVolume);
  }

  quantise(a: MatrixLike, options: QuantiseOptions) {
    return this.call(a, options, quantise, checkQuantise);
  }

  robustSubspace(a: MatrixLike, options: SubspaceOptions) {
    return this.call(a, options, robustSubspace, checkSubspace, heldByEllipsoid);
  }

  entrywiseLowRank(a: MatrixLike, options: EntrywiseOptions) {
    return this.call(a, options, entrywiseLowRank, checkEntrywise, heldByEntrywise);
  }

  sensitivities(a: MatrixLike, options: SensitivityOptions = {}) {
    return this.call(a, options, sensitivities, checkSensitivities);
  }

  coreset(a: MatrixLike, options: CoresetOptions) {
    return this.call(a, options, coreset, checkCoreset);
  }

  coresetStream(options: CoresetStreamOptions) {
    if (this.disposed) throw new DisposedError();
    checkCoresetStream(options);
    return openCoresetStream(this.engine, options, (body) => this.turn(body, options.signal));
  }

  levelSetEllipsoid(a: MatrixLike, options: LevelSetOptions = {}) {
    return this.call(a, options, levelSetEllipsoid, checkLevelSet, heldByEllipsoid);
  }

  dispose(): void {
    this.disposed = true;
    this.engine.dispose();
  }

  /** Checks at once, runs when the calls before it are done, and reports errors as a rejected promise. */
  private async call<Options extends WeightedOptions, Result>(
    a: MatrixLike,
    options: Options,
    body: (run: Run, source: RowSource, options: Options) => Promise<Result>,
    check?: (options: Options, source: RowSource) => void,
    heldBy?: (options: Options, source: RowSource) => Held,
  ): Promise<Result> {
    if (this.disposed) throw new DisposedError();
    const source = toRowSource(a);
    check?.(options, source);
    checkRowWeights(options.rowWeights, source);
    const held = heldBy?.(options, source) ?? heldByDefault;
    return this.turn(async () => {
      this.engine.plan(source, withWeights(held, options));
      return body(new Run(this.engine, options), source, options);
    }, options.signal);
  }

  private async turn<Result>(body: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    if (this.disposed) throw new DisposedError();
    throwIfAborted(signal);
    const turn = this.queue.then(() => {
      if (this.disposed) throw new DisposedError();
      return body().finally(() => this.engine.close());
    });
    this.queue = turn.catch(() => undefined);
    return turn;
  }
}

/** Row weights are row state in two forms, here and with the workers. */
function withWeights(held: Held, { rowWeights }: WeightedOptions): Held {
  return rowWeights ? { ...held, columns: held.columns + 4 } : held;
}
