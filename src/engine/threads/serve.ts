// A worker: a kernel of its own and its share of the rows, driven by messages.
import { AbortedError } from "../../errors.js";
import { Kernel, maximumBytes } from "../../kernel/load.js";
import { sweepBlocks } from "../block-sweep.js";
import { InlineEngine } from "../inline.js";
import type { Engine, SweepHooks } from "../engine.js";
import type { Emitted } from "../sweep.js";
import { toSent, type CallOrder, type Order, type Port, type Report } from "./protocol.js";
import type { ShareSteps } from "./share-steps.js";
import { Budget, KeptRows, WorkerRows } from "./worker-rows.js";

export interface WorkerOptions {
  /** As the coordinator compiled it. */
  kernel: WebAssembly.Module;
  tileRows?: number;
  /** Of rows; and of what was emitted and not yet taken, beyond which the worker waits. */
  residentBytes: number;
}

/** Runs whole calls: the engine knows no drivers. */
export interface CallServer {
  /** The result, and which buffers of it may be handed over. The rows of the order are kept also when there is no engine. */
  run(
    engine: Promise<Engine>,
    order: CallOrder,
    hooks: CallHooks,
  ): Promise<{ result: unknown; transfer: ArrayBuffer[] }>;
  release(opened: number): void;
}

export interface CallHooks {
  signal: AbortSignal;
  onProgress?: (progress: { stage: string; done: number; total: number }) => void;
}

interface Waiting<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

/** One sweep or whole call under way: what it asked for and what it waits for. */
class ServedRequest {
  private readonly abort = new AbortController();
  readonly signal = this.abort.signal;
  private readonly reads: Waiting<Uint8Array>[] = [];
  private room: Waiting<void> | undefined;
  private emitted = 0;
  /** Memory of blocks that have been taken: new memory costs more than the copy. */
  private readonly spare: ArrayBuffer[] = [];

  constructor(
    private readonly port: Port<Report, Order>,
    private readonly call: number,
    private readonly mostWaiting: number,
  ) {}

  /** Answers come in the order of the questions. */
  ask(start: number, count: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.reads.push({ resolve, reject });
      this.port.send({ type: "read", call: this.call, start, count });
    });
  }

  answer(bytes: Uint8Array): void {
    this.reads.shift()?.resolve(bytes);
  }

  taken(bytes: number, buffer?: ArrayBuffer): void {
    if (buffer) this.spare.push(buffer);
    this.emitted -= bytes;
    if (this.emitted > this.mostWaiting) return;
    this.room?.resolve();
    this.room = undefined;
  }

  stop(): void {
    this.abort.abort();
    for (const { reject } of [...this.reads, ...(this.room ? [this.room] : [])]) reject(new AbortedError());
    this.reads.length = 0;
    this.room = undefined;
  }

  private copy<View extends Emitted>(view: View): View {
    const at = this.spare.findIndex(({ byteLength }) => byteLength === view.byteLength);
    if (at < 0) return view.slice() as View;
    const [buffer] = this.spare.splice(at, 1);
    const block = new (view.constructor as new (buffer: ArrayBuffer) => View)(buffer);
    block.set(view);
    return block;
  }

  hooks(): SweepHooks {
    const emit: SweepHooks["emit"] = (start, view, name) => {
      const block = this.copy(view);
      this.emitted += block.byteLength;
      this.port.send({ type: "emit", call: this.call, name, start, block }, [block.buffer as ArrayBuffer]);
      if (this.emitted <= this.mostWaiting) return;
      return new Promise<void>((resolve, reject) => (this.room = { resolve, reject }));
    };
    const onRows = (count: number) => this.port.send({ type: "rows", call: this.call, count });
    return { signal: this.signal, emit, onRows };
  }
}

/** Of all arrays in an answer, each once. */
function buffersOf(value: unknown, found = new Set<ArrayBuffer>()): ArrayBuffer[] {
  if (ArrayBuffer.isView(value)) found.add(value.buffer as ArrayBuffer);
  else if (typeof value === "object" && value !== null) for (const of of Object.values(value)) buffersOf(of, found);
  return [...found];
}

export function serve(
  port: Port<Report, Order>,
  { kernel: module, tileRows, residentBytes }: WorkerOptions,
  callServer: CallServer,
): void {
  const kernel = Kernel.load(module);
  /** Sweeps and whole calls take turns at the one kernel. */
  const engine = kernel.then((loaded) => InlineEngine.on(loaded, { tileRows }));
  engine.catch(() => undefined); // whoever uses it hears of it
  const budget = new Budget(residentBytes);
  const opened = new Map<number, WorkerRows>();
  const calls = new Map<number, ServedRequest>();
  let current: ServedRequest | undefined;
  let steps: ShareSteps | undefined;
  let tail: Promise<unknown> = kernel.catch(() => undefined); // orders are taken either way; those that need it hear of it

  async function run(order: Order): Promise<void> {
    switch (order.type) {
      case "call":
        return runCall(order);
      case "release":
        return callServer.release(order.opened);
      case "step":
        return runStep(order);
      default:
        if ("rows" in order) return runOnRows(order);
    }
  }

  async function runCall(order: CallOrder): Promise<void> {
    const { call, progress } = order;
    const { signal } = calls.get(call)!;
    const onProgress: CallHooks["onProgress"] = progress
      ? ({ stage, done, total }) => port.send({ type: "progress", call, stage, done, total })
      : undefined;
    try {
      const { result, transfer } = await callServer.run(engine, order, { signal, onProgress });
      port.send({ type: "result", call, result }, transfer);
    } finally {
      calls.delete(call);
    }
  }

  async function runStep({ call, name, input }: Extract<Order, { type: "step" }>): Promise<void> {
    if (!steps) {
      const { ShareSteps } = await import("./share-steps.js");
      steps = new ShareSteps(await kernel);
    }
    const output = steps.run(name, input as never);
    port.send({ type: "step", call, output }, buffersOf(output));
  }

  async function runOnRows(order: Exclude<Order, CallOrder> & { rows: number }): Promise<void> {
    const rows = opened.get(order.rows);
    switch (order.type) {
      case "open": {
        const ask = (start: number, count: number) => current!.ask(start, count);
        const { residentBytes, tileRows: tile = tileRows } = order.limits;
        const own = residentBytes === undefined ? budget : new Budget(residentBytes);
        const like = order.like === undefined ? undefined : opened.get(order.like);
        opened.set(order.rows, new WorkerRows(order.shape, order.subtrees, like?.kept ?? new KeptRows(own), ask, tile));
        return;
      }
      case "close":
        rows?.close();
        opened.delete(order.rows);
        return;
      case "set":
        rows?.state.set(order.name, order.column);
        return;
      case "delete":
        rows?.state.delete(order.name);
        return;
      case "get":
        return port.send({ type: "column", call: order.call, column: rows?.state.get(order.name) });
      case "sweep": {
        current = calls.get(order.call)!;
        try {
          const here = await kernel;
          here.limit = order.limits.wasmBytes ?? maximumBytes;
          const results = await sweepBlocks(here, rows!, order.sweep, { ...current.hooks(), tileRows: rows!.tileRows });
          port.send({ type: "done", call: order.call, results }, buffersOf(results));
        } finally {
          rows?.settle();
          calls.delete(order.call);
          current = undefined;
        }
      }
    }
  }

  port.listen((order) => {
    if (order.type === "bytes") return calls.get(order.call)?.answer(order.bytes);
    if (order.type === "taken") return calls.get(order.call)?.taken(order.bytes, order.buffer);
    if (order.type === "stop") return calls.get(order.call)?.stop();
    if (order.type === "sweep" || order.type === "call") {
      const waitingBytes = order.type === "sweep" ? order.limits.waitingBytes : undefined;
      calls.set(order.call, new ServedRequest(port, order.call, waitingBytes ?? residentBytes));
    }
    tail = tail
      .then(() => run(order))
      .catch((error: unknown) => {
        if ("call" in order) port.send({ type: "failed", call: order.call, error: toSent(error) });
        else throw error;
      });
  });
}
