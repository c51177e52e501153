import type { Engine } from "./engine/engine.js";
import type { WorkerScript } from "./engine/threads/spawn.js";
import { checkCoresetStream } from "./geometry/coreset/check.js";
import { openCoresetStream } from "./geometry/coreset/stream.js";
import type { MultiplyOptions } from "./geometry/basis/pair.js";
import { InvalidInputError } from "./errors.js";
import { createNames, methodNames } from "./method-options.js";
import { toRowSource, type Matrix, type MatrixLike, type MatrixShape } from "./matrix.js";
import { checkOptions } from "./option-names.js";
import { checkRowWeights } from "./options.js";
import { loadPrimitive, type OptionsOf, type PrimitiveName, type ResultOf } from "./schedule/primitives/index.js";
import { Scheduler, type SchedulerOptions } from "./schedule/scheduler.js";
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
  LowRankFactorOptions,
  LowRankOptions,
  LowRankResult,
  MinVolumeOptions,
  QuantiseOptions,
  RunOptions,
  SubspaceOptions,
  SensitivityOptions,
  GramOptions,
  SingularValuesOptions,
  TransformCodeOptions,
  TrellisCodeOptions,
  WeightedOptions,
} from "./types/index.js";

/**
 * The library on a kernel that is compiled already.
 * @throws {InvalidInputError} as createLoewner() does
 */
export async function loewnerOn(
  kernel: WebAssembly.Module,
  options: SchedulerOptions,
  workerScript: WorkerScript,
): Promise<Loewner> {
  checkOptions("createLoewner", options, createNames);
  if (!(kernel instanceof WebAssembly.Module)) {
    const found = Object.prototype.toString.call(kernel).slice(8, -1);
    throw new InvalidInputError(
      `kernel must be a WebAssembly.Module; got ${found}. Bundlers that give an address or an instance for loewner/kernel.wasm: leave kernel out, or compile the file's bytes.`,
      { tensor: "kernel" },
    );
  }
  return loewnerFrom(await Scheduler.create(kernel, options, workerScript));
}

/** What decides where a call runs. */
export type Calls = Pick<Scheduler, "threads" | "threadsFor" | "run" | "open" | "exclusively" | "check" | "dispose"> & {
  /** For what is no call of a primitive. */
  readonly engine: Engine;
};

export function loewnerFrom(calls: Calls): Loewner {
  return new Instance(calls);
}

class Instance implements Loewner {
  readonly threads: number;

  constructor(private readonly scheduler: Calls) {
    this.threads = scheduler.threads;
  }

  threadsFor(shape: MatrixShape) {
    return this.scheduler.threadsFor(shape);
  }

  open(a: MatrixLike) {
    return this.scheduler.open(toRowSource(a));
  }

  leverageScores(a: MatrixLike, options: WeightedOptions = {}) {
    return this.call("leverageScores", a, options);
  }

  lewisWeights(a: MatrixLike, options: LewisOptions = {}) {
    return this.call("lewisWeights", a, options);
  }

  /** Without a report where the options say so: the interface has a signature for each. */
  lowRank(a: MatrixLike, options: LowRankOptions | LowRankFactorOptions): Promise<LowRankResult> {
    return this.call("lowRank", a, options) as Promise<LowRankResult>;
  }

  singularValues(a: MatrixLike, options: SingularValuesOptions = {}) {
    return this.call("singularValues", a, options);
  }

  gram(a: MatrixLike, options: GramOptions = {}) {
    return this.call("gram", a, options);
  }

  residual(a: MatrixLike, factors: FactorPair, options: WeightedOptions & { p?: number } = {}) {
    return this.call("residual", a, options, factors);
  }

  certify(a: MatrixLike, right: Matrix, options: CertifyOptions = {}) {
    return this.call("certify", a, options, { right });
  }

  multiply({ left, right }: FactorPair, sink: MultiplyOptions["sink"], options: RunOptions = {}) {
    return this.call("multiply", left, options, { right, sink });
  }

  minVolumeEllipsoid(points: MatrixLike, options: MinVolumeOptions = {}) {
    return this.call("minVolumeEllipsoid", points, options);
  }

  johnEllipsoid(a: MatrixLike, options: JohnOptions = {}) {
    return this.call("johnEllipsoid", a, options);
  }

  quantise(a: MatrixLike, options: QuantiseOptions) {
    return this.call("quantise", a, options);
  }

  transformCode(a: MatrixLike, options: TransformCodeOptions) {
    return this.call("transformCode", a, options, { p: options?.p ?? 2 });
  }

  trellisCode(a: MatrixLike, options: TrellisCodeOptions) {
    return this.call("trellisCode", a, options);
  }

  robustSubspace(a: MatrixLike, options: SubspaceOptions) {
    return this.call("robustSubspace", a, options);
  }

  entrywiseLowRank(a: MatrixLike, options: EntrywiseOptions) {
    return this.call("entrywiseLowRank", a, options);
  }

  sensitivities(a: MatrixLike, options: SensitivityOptions = {}) {
    return this.call("sensitivities", a, options);
  }

  coreset(a: MatrixLike, options: CoresetOptions) {
    return this.call("coreset", a, options);
  }

  coresetStream(options: CoresetStreamOptions) {
    const { scheduler } = this;
    scheduler.check();
    checkOptions("coresetStream", options, methodNames.coresetStream);
    checkCoresetStream(options);
    return openCoresetStream(scheduler.engine, options, (body) => scheduler.exclusively(body, options.signal));
  }

  levelSetEllipsoid(a: MatrixLike, options: LevelSetOptions = {}) {
    return this.call("levelSetEllipsoid", a, options);
  }

  dispose(): void {
    this.scheduler.dispose();
  }

  /**
   * Checks at once, runs when there is room for it, and reports errors as a rejected promise.
   * @param given what the caller gives beside the options
   */
  private async call<Name extends PrimitiveName, Given extends object = object>(
    name: Name,
    a: MatrixLike,
    asked: Omit<OptionsOf<Name>, keyof Given>,
    given?: Given,
  ): Promise<ResultOf<Name>> {
    this.scheduler.check();
    checkOptions(name, asked, methodNames[name]);
    const options = { ...asked, ...given } as OptionsOf<Name> & WeightedOptions;
    const source = toRowSource(a);
    checkRowWeights(options.rowWeights, source);
    // Before anything is waited for: the caller's arrays may change then.
    const own = withOwnNumbers(options);
    const checked = loadPrimitive(name).then(({ check }) => check?.({ ...own }, source));
    checked.catch(() => undefined); // also where the call ends before it waits for this
    return this.scheduler.run(name, source, own, checked);
  }
}

/** With copies of what is one number a row: the call may wait for its turn, and the caller's arrays change meanwhile. */
function withOwnNumbers<Options extends WeightedOptions & { scores?: ArrayLike<number> }>(options: Options): Options {
  const own = { ...options };
  // What is no array, or holds nothing, is refused as it is.
  for (const key of ["rowWeights", "scores"] as const) if (own[key]?.length) own[key] = Float64Array.from(own[key]);
  return own;
}
