// Columns read as rows: against plain loops, with stripes narrower than the matrix.
import fc from "fast-check";
import { expect, test } from "vitest";
import { rowTypeBytes, type RowSource, type RowType } from "../../src/matrix.js";
import { transposedRows } from "../../src/formats/transposed-rows.js";

/** Every element's bytes are its own; the source hands out one buffer again and again, as a file may. */
function numbered(rows: number, cols: number, dtype: RowType): RowSource & { reads: number } {
  const size = rowTypeBytes[dtype];
  const buffer = new Uint8Array(rows * cols * size);
  const source = {
    ...{ rows, cols, dtype, name: "numbered", reads: 0 },
    read(start: number, count: number) {
      source.reads += count;
      for (let at = 0; at < count * cols * size; ++at) buffer[at] = byteAt(start * cols * size + at);
      return buffer.subarray(0, count * cols * size);
    },
  };
  return source;
}

const byteAt = (place: number) => (place * 151 + (place >> 8) * 31) & 255;

const shapes = fc.record({
  rows: fc.integer({ min: 1, max: 40 }),
  cols: fc.integer({ min: 1, max: 40 }),
  dtype: fc.constantFrom<RowType>("f16", "bf16", "f32", "f64"),
  stripeBytes: fc.constantFrom(1, 64, 200, 1000, 64 << 20),
});

test("element i, j is element j, i, whatever the stripes and the ranges", async () => {
  await fc.assert(
    fc.asyncProperty(shapes, fc.array(fc.tuple(fc.nat(39), fc.nat(39)), { maxLength: 4 }), async (shape, ranges) => {
      const { rows, cols, dtype, stripeBytes } = shape;
      const size = rowTypeBytes[dtype];
      const turned = transposedRows(numbered(rows, cols, dtype), stripeBytes);
      expect(turned).toMatchObject({ rows: cols, cols: rows, dtype, name: "numbered" });
      for (const [a, b] of [[0, cols], ...ranges]) {
        const start = Math.min(a, cols - 1);
        const count = Math.min(b, cols - start);
        const wanted = new Uint8Array(count * rows * size);
        for (let j = 0; j < count; ++j) {
          for (let i = 0; i < rows; ++i) {
            for (let byte = 0; byte < size; ++byte)
              wanted[(j * rows + i) * size + byte] = byteAt((i * cols + start + j) * size + byte);
          }
        }
        expect(await turned.read(start, count)).toEqual(wanted);
      }
    }),
    { numRuns: 200 },
  );
});

test("two reads at once do not take each other's stripe", async () => {
  const turned = transposedRows(numbered(5, 12, "f32"), 20);
  const [first, last] = await Promise.all([turned.read(0, 6), turned.read(6, 6)]);
  const alone = transposedRows(numbered(5, 12, "f32"));
  expect(first).toEqual(await alone.read(0, 6));
  expect(last).toEqual(await alone.read(6, 6));
});

test("what fits into a stripe is read once, however often it is asked for", async () => {
  const source = numbered(30, 20, "f32");
  const turned = transposedRows(source);
  for (let j = 0; j < 20; ++j) await turned.read(j, 1);
  expect(source.reads).toBe(30);
});

test("twice turned is as it was", async () => {
  const source = numbered(7, 9, "f64");
  const twice = transposedRows(transposedRows(source, 100), 150);
  expect(await twice.read(0, 7)).toEqual(new Uint8Array(await source.read(0, 7)));
});
