// A program that needs one small answer; prints what each step took.
const start = performance.now();
const { createLoewner } = await import("../dist/index.js");
const loaded = performance.now();
const loewner = await createLoewner();
const created = performance.now();
const { rows, cols, ...options } = JSON.parse(process.argv[2]);
const data = Float32Array.from({ length: rows * cols }, (_, i) => ((i * i * 7919) % 1009) / 1009 - 0.5);
await loewner.lowRank({ data, rows, cols }, options);
const done = performance.now();
console.log(
  JSON.stringify({ load: loaded - start, create: created - loaded, first: done - created, total: done - start }),
);
