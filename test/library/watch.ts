// What tests of threads look at: the workers that start, the rows that are read, how a promise ends.
import type { Worker } from "node:worker_threads";
import { afterEach, beforeEach } from "vitest";
import type { Matrix, RowSource } from "../../src/index.js";
import { isLoewnerError } from "./threads.js";

/** The workers that each test of the file has started. */
export function watchWorkers(): Worker[] {
  const workers: Worker[] = [];
  const see = (worker: Worker) => void workers.push(worker);
  beforeEach(() => void process.on("worker", see));
  afterEach(() => {
    process.off("worker", see);
    workers.length = 0;
  });
  return workers;
}

/** The code of the error, or "fine". */
export const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "fine",
    (error: unknown) => (isLoewnerError(error) ? error.code : error),
  );

/** The rows of an f32 matrix, and what happens when they are asked for. */
export function watchRows({ data, rows, cols }: Matrix, onRead: (start: number) => unknown): RowSource {
  const bytes = new Uint8Array(data.buffer);
  return {
    ...{ rows, cols, dtype: "f32", name: "watched" },
    async read(start, count) {
      await onRead(start);
      return bytes.subarray(start * cols * 4, (start + count) * cols * 4);
    },
  };
}
