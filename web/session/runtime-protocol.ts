// What is asked of the worker that onnxruntime-web runs in: plain data, so that it crosses.
import type { RuntimeTensor, SessionOptions } from "loewner/model";

export type Values = Readonly<Record<string, RuntimeTensor>>;

export interface RuntimeCalls {
  /** @param folder address of where ort.wasm.min.mjs lies */
  start(folder: string): void;
  create(
    model: Uint8Array,
    options: SessionOptions,
  ): { session: number; inputNames: readonly string[]; outputNames: readonly string[] };
  run(session: number, feeds: Values, fetches: readonly string[] | undefined, options: object): Values;
  release(session: number): void;
}

export interface RuntimeRequest {
  readonly id: number;
  readonly call: keyof RuntimeCalls;
  readonly args: readonly unknown[];
}

export type RuntimeReply =
  { readonly id: number; readonly result: unknown } | { readonly id: number; readonly fault: string };
