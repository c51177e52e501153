import { expect, test } from "vitest";
import { bytesSource, decodeNumbers, encodeNumbers, memorySink, openNpy, writeNpy } from "../../src/formats/index.js";

// A Node Buffer's slice() is a view of a shared pool, unlike any other Uint8Array's: fs.readFile gives these.
const values = Float64Array.from([1.5, -2, 3.25]);

test.each(["f16", "bf16", "f32", "f64"] as const)("decodeNumbers reads a Buffer from inside its pool: %s", (dtype) => {
  const bytes = Buffer.concat([Buffer.from([7]), encodeNumbers(values, dtype)]).subarray(1);
  const numbers = decodeNumbers(bytes, dtype);
  expect([...numbers]).toEqual([...values]);
  bytes.fill(0);
  expect([...numbers]).toEqual([...values]);
});

test("a memory sink keeps what it was given, whatever becomes of the Buffer", async () => {
  const sink = memorySink();
  const bytes = Buffer.from([1, 2, 3]);
  await sink.write(bytes);
  bytes.fill(0);
  expect([...sink.bytes()]).toEqual([1, 2, 3]);
});

test("npy from a Buffer, at every alignment", async () => {
  const sink = memorySink();
  await writeNpy(sink, { data: values, shape: [3, 1] });
  for (let shift = 0; shift < 8; shift++) {
    const bytes = Buffer.concat([Buffer.alloc(shift), sink.bytes()]).subarray(shift);
    const npy = await openNpy(bytesSource(bytes));
    expect([...decodeNumbers(await npy.read(0, 3), "f64")]).toEqual([...values]);
  }
});
