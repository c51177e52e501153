// Prints one hash over factors, weights and certificates of a few matrices: the same in every runtime, or something is wrong.
import { createHash } from "node:crypto";
import { createLoewner } from "../../dist/index.js";
import { embedding } from "../../examples/embedding.mjs";

const hash = createHash("sha256");
const add = ({ data }) => hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
const { data, rows, cols, counts } = embedding({ rows: 2000, cols: 40, rank: 12 });
const loewner = await createLoewner();
for (const input of [data, Float64Array.from(data)]) {
  for (const p of [0.7, 1, 1.3, 2, 3.3]) {
    for (const rowWeights of [undefined, counts]) {
      const result = await loewner.lowRank({ data: input, rows, cols }, { rank: 11, p, rowWeights });
      add(result.left);
      add(result.right);
      hash.update(JSON.stringify(result.report));
    }
  }
  const { weights, gram, certificate } = await loewner.lewisWeights({ data: input, rows, cols }, { p: 1.3 });
  add({ data: weights });
  add(gram);
  hash.update(JSON.stringify(certificate));
}
loewner.dispose();
console.log(hash.digest("hex"));
