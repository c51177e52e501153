// Rows written as they are made give the file that writing them at once gives.
import fc from "fast-check";
import { expect, test } from "vitest";
import { memorySink, NpyRowWriter, writeNpy } from "../../src/formats/index.js";

test("rows written in blocks of any sizes are read as they were", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 5 }),
      fc.boolean(),
      async (counts, cols, wide) => {
        const rows = counts.reduce((a, b) => a + b, 0);
        const numbers = Array.from({ length: rows * cols }, (_, i) => (i * 7919) / 64);
        const data = wide ? Float64Array.from(numbers) : Float32Array.from(numbers);
        const sink = memorySink();
        const writer = new NpyRowWriter(sink, rows);
        const reused = data.slice();
        let start = 0;
        for (const count of counts) {
          const block = reused.subarray(start * cols, (start + count) * cols);
          await writer.write(start, block);
          block.fill(NaN); // the block is the caller's again
          start += count;
        }
        await writer.finish();
        const whole = memorySink();
        await writeNpy(whole, { data, shape: [rows, cols] });
        expect(sink.bytes()).toEqual(whole.bytes());
      },
    ),
  );
});
