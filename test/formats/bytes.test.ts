import { expect, test } from "vitest";
import { blobSource, bytesSource, memorySink, readChunks } from "../../src/formats/index.js";
import { failure } from "./fixtures.js";

const data = Uint8Array.from({ length: 100 }, (_, i) => (i * 7) & 255);

test.each([
  ["memory", bytesSource(data, "memory")],
  ["blob", blobSource(new Blob([data]), "blob")],
])("%s: slices, and never past the end", async (name, source) => {
  expect(source.size).toBe(100);
  expect(await source.slice(3, 10)).toEqual(data.subarray(3, 10));
  expect(await source.slice(100, 100)).toEqual(new Uint8Array(0));
  for (const [start, end] of [
    [-1, 3],
    [5, 4],
    [90, 101],
    [0.5, 2],
    [NaN, 1],
    [0, Infinity],
  ]) {
    const error = await failure(source.slice(start, end), "INVALID_INPUT");
    expect(error.message).toBe(`${name}: bytes ${start} to ${end} were asked for, but it has bytes 0 to 100.`);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of readChunks(source, 5, 98, 31)) chunks.push(chunk);
  expect(chunks.map((chunk) => chunk.length)).toEqual([31, 31, 31]);
  expect(chunks[2]).toEqual(data.subarray(67, 98));
});

test("memory that was transferred away counts as a file that shrank", async () => {
  const bytes = new Uint8Array(10);
  const source = bytesSource(bytes, "x");
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  const error = await failure(source.slice(2, 6), "FILE");
  expect(error.message).toBe(
    "x shrank while it was being read: bytes 2 to 6 gave 0 bytes instead of 4. Let whatever writes it finish, then try again.",
  );
});

test("a blob that can no longer be read", async () => {
  const blob = { size: 4, slice: () => ({ arrayBuffer: () => Promise.reject(new Error("NotReadableError")) }) };
  const error = await failure(blobSource(blob as unknown as Blob, "b").slice(0, 4), "FILE");
  expect(error.message).toBe(
    "b: bytes 0 to 4 could not be read; the file was changed or removed after it was chosen. Choose it again.",
  );
});

test("the memory sink copies what it takes", async () => {
  const sink = memorySink();
  const chunk = new Uint8Array([1, 2]);
  await sink.write(chunk);
  chunk.fill(9);
  await sink.write(chunk.subarray(1));
  expect(sink.size).toBe(3);
  expect([...sink.bytes()]).toEqual([1, 2, 9]);
});
