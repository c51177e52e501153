// A model in a runtime: loaded, run, released, with errors that say whose they are.
import type { ModelInput } from "./inputs.js";
import type { OnnxRuntime, RunnableModel, RuntimeSession, RuntimeTensor, SessionOptions } from "./runtime.js";

/** onnxruntime-web computes without letting the event loop run: a Ctrl-C or a click on "stop" comes through here alone. */
export const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

/** The error of a model that the runtime cannot load or run, with its message. */
export type Fault = (name: string, doing: "load" | "run", message: string, cause: unknown) => Error;

/** A session that knows whose it is. */
export class Runner {
  private readonly given = new Map<string, ModelInput>();

  private constructor(
    private readonly runtime: OnnxRuntime,
    private readonly session: RuntimeSession,
    readonly name: string,
    readonly loadSeconds: number,
    private readonly fault: Fault,
    given: readonly ModelInput[],
  ) {
    this.exchange(given);
  }

  /** @param own beside what every session is given */
  static async open(
    runtime: OnnxRuntime,
    file: RunnableModel,
    threads: number,
    fault: Fault,
    own: Pick<SessionOptions, "graphOptimizationLevel"> = {},
  ): Promise<Runner> {
    const { model, externalData = [], given = [] } = await file.load();
    const options = {
      logSeverityLevel: 4 as const,
      intraOpNumThreads: threads,
      ...own,
      ...(externalData.length ? { externalData: [...externalData] } : {}),
    };
    const start = performance.now();
    try {
      const { InferenceSession } = runtime;
      const session = await (typeof model === "string"
        ? InferenceSession.create(model, options)
        : InferenceSession.create(model, options));
      return new Runner(runtime, session, file.name, (performance.now() - start) / 1e3, fault, given);
    } catch (error) {
      throw fault(file.name, "load", messageOf(error), error);
    }
  }

  get inputNames(): readonly string[] {
    return this.session.inputNames;
  }

  /** Those that the runtime can give to JavaScript: tensors. */
  get outputNames(): readonly string[] {
    const { outputNames, outputMetadata } = this.session;
    return outputNames.filter((_, i) => outputMetadata?.[i]?.isTensor !== false);
  }

  /** What every run is given under this name, beside its own inputs. */
  givenAs(name: string): ModelInput | undefined {
    return this.given.get(name);
  }

  /** Other numbers for what every run is given. */
  exchange(inputs: readonly ModelInput[]): void {
    for (const input of inputs) this.given.set(input.name, input);
  }

  /** @param fetches the outputs that are wanted; all of them unless given */
  async run(
    inputs: readonly ModelInput[],
    fetches: readonly string[] = this.outputNames,
  ): Promise<{ outputs: Readonly<Record<string, RuntimeTensor>>; seconds: number }> {
    try {
      const feeds = Object.fromEntries(
        [...inputs, ...this.given.values()].map(({ name, dtype, data, shape }) => [
          name,
          new this.runtime.Tensor(dtype as never, data as never, shape),
        ]),
      );
      const start = performance.now();
      const outputs = await this.session.run(feeds, fetches, { logSeverityLevel: 4 });
      return { outputs, seconds: (performance.now() - start) / 1e3 };
    } catch (error) {
      throw this.fault(this.name, "run", messageOf(error), error);
    }
  }

  release(): Promise<void> {
    return this.session.release();
  }
}

/** On one line. */
function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").trim();
}

export function free(outputs: Readonly<Record<string, RuntimeTensor>>): void {
  for (const tensor of Object.values(outputs)) tensor.dispose?.();
}
