// onnxruntime-web in a worker of its own, which ends with all that it took: WebAssembly's memory never shrinks.
import { InvalidInputError } from "loewner";
import type { OnnxRuntime, RuntimeSession, RuntimeTensor, SessionOptions } from "loewner/model";
import type { RuntimeCalls, RuntimeReply, RuntimeRequest } from "./runtime-protocol.js";

interface Pending {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Starts it for what `body` does, and ends it, in the middle of a run where `signal` says so.
 * @param folder where ort.wasm.min.mjs lies
 * @throws {InvalidInputError} when it is not there
 */
export async function withRuntime<T>(
  folder: URL,
  signal: AbortSignal,
  body: (runtime: OnnxRuntime) => Promise<T>,
): Promise<T> {
  const runtime = new RuntimeClient();
  const stop = () => runtime.end("it was stopped");
  signal.addEventListener("abort", stop);
  try {
    await runtime.call("start", [folder.href]).catch((cause: unknown) => {
      throw new InvalidInputError(
        "onnxruntime-web is not beside this page, so models cannot be run here. On a machine with Node, npm install onnxruntime-web and then npx loewner serve has it; or run npx loewner there.",
        {},
        { cause },
      );
    });
    return await body(runtime);
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
  }
}

class RuntimeClient implements OnnxRuntime {
  private readonly worker = new Worker(new URL("./runtime-worker.ts", import.meta.url), {
    type: "module",
    name: "onnxruntime-web",
  });
  private readonly pending = new Map<number, Pending>();
  private last = 0;
  private ended: string | undefined;

  readonly Tensor = PlainTensor;
  readonly InferenceSession = {
    create: (model: string | Uint8Array, options: SessionOptions = {}) =>
      this.create(model as Uint8Array<ArrayBuffer>, options),
  };

  constructor() {
    this.worker.onmessage = ({ data }: MessageEvent<RuntimeReply>) => {
      const pending = this.pending.get(data.id);
      this.pending.delete(data.id);
      if ("fault" in data) pending?.reject(new Error(data.fault));
      else pending?.resolve(data.result as never);
    };
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.end(`its worker has ended${event.message ? `: ${event.message}` : ""}; most often it is out of memory`);
    };
  }

  call<Call extends keyof RuntimeCalls>(
    call: Call,
    args: Parameters<RuntimeCalls[Call]>,
    transfer: Transferable[] = [],
  ): Promise<ReturnType<RuntimeCalls[Call]>> {
    if (this.ended !== undefined) return Promise.reject(new Error(this.ended));
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      this.worker.postMessage({ id, call, args } satisfies RuntimeRequest, transfer);
    });
  }

  end(why: string): void {
    this.ended ??= why;
    this.worker.terminate();
    for (const { reject } of this.pending.values()) reject(new Error(this.ended));
    this.pending.clear();
  }

  /** The bytes, which are read for this alone, are given away. */
  private async create(model: Uint8Array<ArrayBuffer>, options: SessionOptions): Promise<RuntimeSession> {
    const given = [model, ...(options.externalData ?? []).map(({ data }) => data)];
    const buffers = new Set(given.map(({ buffer }) => buffer as ArrayBuffer));
    const { session, ...names } = await this.call("create", [model, options], [...buffers]);
    return {
      ...names,
      run: (feeds, fetches, running = {}) => this.call("run", [session, feeds, fetches, running]),
      // What has ended holds nothing.
      release: () => (this.ended === undefined ? this.call("release", [session]) : Promise.resolve()),
    };
  }
}

class PlainTensor implements RuntimeTensor {
  constructor(
    readonly type: never,
    readonly data: never,
    readonly dims: readonly number[],
  ) {}
}
