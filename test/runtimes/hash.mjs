// Prints one hash over factors, weights and certificates of a few matrices: the same in every runtime and for any number of
// threads, which is the argument, or something is wrong.
import { createHash } from "node:crypto";
import { createLoewner } from "../../dist/index.js";
import { embedding } from "../../examples/embedding.mjs";

const hash = createHash("sha256");
const add = ({ data }) => hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
const { data, rows, cols, counts } = embedding({ rows: 2000, cols: 40, rank: 12 });
const threads = Number(process.argv[2] ?? 1);
const loewner = await createLoewner({ threads, threadBytes: 0 });
for (const input of [data, Float64Array.from(data)]) {
  for (const p of [0.7, 1, 1.3, 2, 3.3]) {
    for (const rowWeights of [undefined, counts]) {
      const result = await loewner.lowRank({ data: input, rows, cols }, { rank: 11, p, rowWeights, maxWork: 0 });
      add(result.left);
      add(result.right);
      hash.update(JSON.stringify(result.report));
    }
  }
  // Thousands of steps, the same on few rows as on many.
  const part = { data: input.subarray(0, 300 * cols), rows: 300, cols };
  for (const [matrix, method] of [
    [{ data: input, rows, cols }, "subspace"],
    [part, "entrywise"],
    [part, "auto"],
  ]) {
    const result = await loewner.lowRank(matrix, { rank: 5, p: 1.3, method });
    add(result.left);
    add(result.right);
    hash.update(JSON.stringify(result.report));
  }
  const few = { data: input.subarray(0, 200 * 5), rows: 200, cols: 5 };
  add((await loewner.levelSetEllipsoid(few, { p: 1, maxIterations: 3 })).H);
  add((await loewner.minVolumeEllipsoid(few, { freeCenter: true })).H);
  add({ data: (await loewner.lewisWeights(few, { p: Infinity })).weights });
  const { weights, gram, certificate } = await loewner.lewisWeights({ data: input, rows, cols }, { p: 1.3 });
  add({ data: weights });
  add(gram);
  hash.update(JSON.stringify(certificate));
  const { left, right } = await loewner.entrywiseLowRank({ data: input, rows, cols }, { rank: 11, maxIterations: 4 });
  add(left);
  for (const options of [{ bits: 4, right }, { bits: 3, right, scale: "least-squares" }, { bits: 2 }, { bits: 8 }]) {
    const coded = await loewner.quantise({ data: input, rows, cols }, { ...options, rowWeights: counts });
    for (const { planes, scales } of [coded.left, coded.right ?? coded.left]) {
      for (const { bytes } of planes) add({ data: bytes });
      add({ data: scales });
    }
    hash.update(JSON.stringify(coded.objective));
  }
  for (const options of [
    { bitsPerEntry: 2 },
    { bitsPerEntry: 3, p: 1, windowBits: 12, scale: "unbiased" },
    { bitsPerEntry: 2.5, metric: gram },
  ]) {
    const { code, objective, metricError } = await loewner.transformCode(
      { data: input, rows, cols },
      { ...options, rowWeights: counts },
    );
    for (const { codes } of code.bands) add({ data: codes });
    add({ data: code.scales });
    add({ data: code.centre });
    hash.update(JSON.stringify([objective, metricError]));
  }
  for (const options of [
    { bits: 2, moments: gram.data, damping: 0.1 },
    { bits: 3, windowBits: 12 },
  ]) {
    const { code, objective, outputError, predictedError } = await loewner.trellisCode(
      { data: input, rows, cols },
      options,
    );
    const { codes, scales, scaleLevels, rotation } = code;
    for (const part of [codes, scales, scaleLevels, rotation.mixing, rotation.signs]) add({ data: part });
    hash.update(JSON.stringify([objective, outputError, predictedError]));
  }
  for (const p of [0.7, 1, 3.3]) {
    const matrix = { data: input, rows, cols };
    const { scores } = await loewner.sensitivities(matrix, { p, rowWeights: counts });
    add({ data: scores });
    for (const scheme of ["lewis", "mixed", "uniform"]) {
      const coreset = await loewner.coreset(matrix, { p, size: 200, seed: 3, scheme });
      add({ data: coreset.indices });
      add({ data: coreset.weights });
      hash.update(JSON.stringify(coreset.realised));
    }
    const stream = loewner.coresetStream({ cols, p, size: 20, tileRows: 256 });
    await stream.push(matrix, { rowWeights: counts });
    const { indices, weights: streamed, realised } = await stream.finish();
    add({ data: indices });
    add({ data: streamed });
    hash.update(JSON.stringify(realised));
  }
}
loewner.dispose();

// Calls side by side, each as a whole in a worker; some on rows that stay there.
const batch = await createLoewner({ threads, threadWork: 0 });
const layers = [300, 200, 250].map((count) => ({ data: data.subarray(0, count * cols), rows: count, cols }));
const opened = layers.map((layer) => batch.open(layer));
for (const layer of [...layers, ...opened])
  layer.results = [1, 1.5, 2].map((p) => batch.lowRank(layer, { rank: 7, p, maxWork: 1e6 }));
for (const { results } of [...layers, ...opened]) {
  for (const { left, right, report } of await Promise.all(results)) {
    add(left);
    add(right);
    hash.update(JSON.stringify(report));
  }
}
opened.forEach((layer) => layer.close());
batch.dispose();
console.log(hash.digest("hex"));
