// What a call leaves behind when it ends before its time: a read that never comes, rows in a worker without a kernel.
import { expect, test } from "vitest";
import type { RowSource } from "../../src/index.js";
import type { CallOrder, Order, Report } from "../../src/engine/threads/protocol.js";
import { serve } from "../../src/engine/threads/serve.js";
import { InlineEngine } from "../../src/engine/inline.js";
import { inlinedKernel } from "../../src/kernel/inlined.js";
import { Kernel } from "../../src/kernel/load.js";
import { callServer } from "../../src/schedule/call-server.js";
import { sendRows, serialReads } from "../../src/schedule/transfer.js";
import { matrix } from "./matrices.js";
import { createLoewner } from "./threads.js";
import { codeOf, watchRows } from "./watch.js";

const a = matrix("plain", 300, 16, { f32: true });
const stuck = new Promise<never>(() => undefined);

/** The rows of `a`; the first read of all never comes. */
function firstStuck(): { source: RowSource; asked: Promise<void> } {
  let reads = 0;
  let tell: () => void;
  const asked = new Promise<void>((resolve) => (tell = resolve));
  const source = watchRows(a, () => {
    tell();
    return reads++ === 0 ? stuck : undefined;
  });
  return { source, asked };
}

// With threadWork 0 whole calls go to workers, which rows are sent to; with the default they stay here, side by side.
test.each([{ threadWork: 0 }, {}])("a read that never comes does not keep later calls waiting: %o", async (options) => {
  const loewner = await createLoewner({ threads: 2, ...options });
  const { source, asked } = firstStuck();
  const abort = new AbortController();
  const stopped = codeOf(loewner.leverageScores(source, { signal: abort.signal }));
  const behind = loewner.leverageScores(source);
  await asked;
  abort.abort();
  expect(await stopped).toBe("ABORTED");
  const { scores } = await loewner.leverageScores(a);
  expect((await behind).scores).toEqual(scores);
  expect((await loewner.leverageScores(source)).scores).toEqual(scores);
  loewner.dispose();
});

test("reads of a call that is over are not begun, and those of others are", async () => {
  const over = new AbortController();
  const starts: number[] = [];
  let finish = () => {};
  const source = watchRows(a, (start) => {
    starts.push(start);
    return start === 0 ? new Promise<void>((resolve) => (finish = resolve)) : undefined;
  });
  const [ended, other] = [serialReads(source, over.signal), serialReads(source, new AbortController().signal)];
  const first = other.read(0, 1);
  const second = codeOf(ended.read(1, 1));
  const third = other.read(2, 1);
  over.abort();
  await new Promise((resolve) => setImmediate(resolve));
  expect(starts).toEqual([0]);
  finish();
  expect([(await first).length, (await third).length]).toEqual([64, 64]);
  expect(await second).not.toBe("fine");
  expect(starts).toEqual([0, 2]);
});

const callOn = async (call: number, rows: boolean): Promise<CallOrder> => ({
  ...{ type: "call", call, primitive: "leverageScores", opened: 5, options: {}, progress: false },
  rows: rows
    ? await sendRows(
        watchRows(a, () => undefined),
        new AbortController().signal,
      )
    : undefined,
});

test("rows that were sent to a worker whose kernel cannot be loaded are there all the same", async () => {
  const server = callServer();
  const hooks = { signal: new AbortController().signal };
  const failed = Promise.reject(new Error("no kernel"));
  await expect(server.run(failed, await callOn(0, true), hooks)).rejects.toThrow("no kernel");
  const engine = InlineEngine.on(await Kernel.load(await inlinedKernel()));
  const { result } = await server.run(Promise.resolve(engine), await callOn(1, false), hooks);
  expect((result as { rank: number }).rank).toBe(16);
});

test("a worker whose kernel cannot be loaded says so to every call", async () => {
  const reports: Report[] = [];
  let take: (order: Order) => void;
  const empty = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  serve(
    { send: (report) => void reports.push(report), listen: (to) => (take = to) },
    { kernel: empty, residentBytes: 0 },
    callServer(),
  );
  for (const order of [await callOn(0, true), await callOn(1, false)]) take!(order);
  take!({ type: "release", opened: 5 });
  await expect.poll(() => reports.length).toBe(2);
  expect(reports.map((report) => [report.type, report.call])).toEqual([
    ["failed", 0],
    ["failed", 1],
  ]);
  const [first, second] = reports.map((report) => report.type === "failed" && report.error.message);
  expect(second).toBe(first);
});
