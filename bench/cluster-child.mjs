// One low-rank call on a file, by two threads of this process or by the workers of a cluster; tells its seconds and its peak memory.
import { createHash } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { connectCluster } from "../dist/cluster/index.js";
import { openNpy } from "../dist/formats/index.js";
import { createLoewner } from "../dist/index.js";
import { openFile } from "../dist/node.js";
import { peakBytes } from "./peak.mjs";

const { path, left, redis, rank, p } = JSON.parse(process.argv[2]);
const file = await openFile(path);
const a = await openNpy(file);
const loewner = redis ? await connectCluster({ redis, shares: 2 }) : await createLoewner({ threads: 2 });
// Threads, wasm and connections are there before the clock starts, the rows are not.
if (!redis) await loewner.leverageScores({ ...a, rows: 65536 });
const out = openSync(left, "w");
const hash = createHash("sha256");
const begun = performance.now();
const { right } = await loewner.lowRank(a, {
  ...{ rank, p, method: "lewis" },
  left: (_, block) => {
    const bytes = new Uint8Array(block.buffer, block.byteOffset, block.byteLength);
    hash.update(bytes);
    writeSync(out, bytes);
  },
});
const seconds = (performance.now() - begun) / 1000;
closeSync(out);
hash.update(new Uint8Array(right.data.buffer));
loewner.dispose();
await file.close();
process.send({ seconds, peak: peakBytes(), digest: hash.digest("hex") });
