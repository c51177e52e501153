// One job in a process of its own, so that its peak memory is its own, and its compiler as cold as in any program:
//
//   node bench/one.mjs '{"file": "A.f32", "rows": ..., "cols": ..., "options": {...}}'
//
// method   of Loewner, lowRank unless given     threads, calls   1 unless given; of several calls the fastest counts
import { readFileSync } from "node:fs";
import { createLoewner } from "../dist/index.js";
import { peakBytes } from "./peak.mjs";

const { file, rows, cols, options, method = "lowRank", threads = 1, calls = 1 } = JSON.parse(process.argv[2]);
const bytes = readFileSync(file);
const a = { data: new Float32Array(bytes.buffer, bytes.byteOffset, rows * cols), rows, cols };
const loewner = await createLoewner({ threads });
let least;
for (let call = 0; call < calls; ++call) {
  const result = await loewner[method](a, options);
  if (!(result.seconds > least?.seconds)) least = result;
}
loewner.dispose();
const { left, right, certificate, report, seconds, iterations } = least;
const peak = peakBytes();
const own = a.data.byteLength + (left?.data.byteLength ?? 0) + (right?.data.byteLength ?? 0);
console.log(
  JSON.stringify({
    ...{ seconds, iterations, method: least.method },
    beyond: (peak - own) / 1e6,
    distortion: certificate && certificate.upper / certificate.lower,
    l2: report?.objective.l2,
  }),
);
