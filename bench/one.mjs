// One job in a process of its own, so that its peak memory is its own: node bench/one.mjs '{"rows": ..., "options": {...}}'
import { createLoewner } from "../dist/index.js";
import { tall } from "./matrix.mjs";

const { shape, options } = JSON.parse(process.argv[2]);
const a = tall(shape);
const loewner = await createLoewner();
const { left, right, seconds, certificate, method, report } = await loewner.lowRank(a, options);
const peak = process.resourceUsage().maxRSS * 1024;
const own = a.data.byteLength + left.data.byteLength + right.data.byteLength;
console.log(
  JSON.stringify({
    seconds,
    method,
    beyond: (peak - own) / 1e6,
    distortion: certificate.upper / certificate.lower,
    l2: report.objective.l2,
  }),
);
