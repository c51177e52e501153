// The script of the worker that onnxruntime-web runs in.
import type { OnnxRuntime, RuntimeSession } from "loewner/model";
import type { RuntimeCalls, RuntimeReply, RuntimeRequest, Values } from "./runtime-protocol.js";

type Namespace = OnnxRuntime & { env: { wasm: { numThreads?: number; wasmPaths?: string } } };

let runtime: Namespace;
const sessions = new Map<number, RuntimeSession>();
let last = 0;

const calls: { [Call in keyof RuntimeCalls]: (...args: Parameters<RuntimeCalls[Call]>) => Promise<unknown> } = {
  async start(folder) {
    runtime = (await import(/* @vite-ignore */ new URL("ort.wasm.min.mjs", folder).href)) as Namespace;
    // Threads would need a page with headers that few hosts send.
    runtime.env.wasm.numThreads = 1;
    runtime.env.wasm.wasmPaths = folder;
  },
  async create(model, options) {
    const made = await runtime.InferenceSession.create(model, options);
    sessions.set(++last, made);
    return { session: last, inputNames: made.inputNames, outputNames: made.outputNames };
  },
  async run(session, feeds, fetches, options) {
    const given = Object.entries(feeds).map(([name, { type, data, dims }]) => [
      name,
      new runtime.Tensor(type as never, data as never, dims),
    ]);
    const outputs = await sessions.get(session)!.run(Object.fromEntries(given) as Values, fetches, options);
    return Object.fromEntries(
      Object.entries(outputs).map(([name, { type, dims, data }]) => [name, { type, dims: [...dims], data }]),
    );
  },
  async release(session) {
    await sessions.get(session)?.release();
    sessions.delete(session);
  },
};

self.onmessage = async ({ data: { id, call, args } }: MessageEvent<RuntimeRequest>) => {
  const reply = (message: RuntimeReply, transfer: Transferable[] = []) => postMessage(message, { transfer });
  try {
    const result = await (calls[call] as (...args: readonly unknown[]) => Promise<unknown>)(...args);
    reply({ id, result }, call === "run" ? buffersOf(result as Values) : []);
  } catch (error) {
    reply({ id, fault: error instanceof Error ? error.message : String(error) });
  }
};

/** Those of outputs, which are copies of what the runtime has, and are given away. */
function buffersOf(values: Values): Transferable[] {
  const arrays = Object.values(values).map(({ data }) => data as { buffer?: ArrayBuffer; byteLength?: number });
  const whole = arrays.filter(({ buffer, byteLength }) => buffer && buffer.byteLength === byteLength);
  return [...new Set(whole.map(({ buffer }) => buffer!))];
}
