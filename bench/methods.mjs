// Every method beside SVD at the same size: the three norms of the error, as ratios to SVD's. On the demo's matrix, and on
// matrices in .npy files given with --matrix (may be repeated). --method (repeated; svd first) chooses others.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { createLoewner } from "../dist/index.js";
import { bytesSource, openNpy } from "../dist/formats/index.js";
import { embedding } from "../examples/embedding.mjs";

// level-set is for small d: minutes at 8192 x 256. Ask for it with --method level-set.
const usual = ["svd", "lewis", "subspace", "entrywise"];

export async function methods({ keep = 0.5, p = 1, matrix = [], method: names = usual }) {
  const sources = [["demo", embedding()]];
  for (const path of matrix)
    sources.push([basename(path, ".npy"), await openNpy(bytesSource(readFileSync(path), path))]);
  console.log(`\nkeep ${keep}, p = ${p}: error relative to SVD's\n`);
  console.log("| matrix | method | l_1 | l_2,1 | l_2 | certified bound | seconds |");
  console.log("| --- | --- | --- | --- | --- | --- | --- |");
  const loewner = await createLoewner();
  for (const [name, source] of sources) {
    let svd;
    for (const method of names) {
      const started = performance.now();
      const { report, certificate } = await loewner.lowRank(source, { keep, p, method });
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      svd ??= { ...report.objective, bound: certificate.bound };
      const { l1, l21, l2 } = report.objective;
      const ratios = [l1 / svd.l1, l21 / svd.l21, l2 / svd.l2, certificate.bound / svd.bound];
      console.log(
        `| ${name} ${source.rows} x ${source.cols} | ${method} | ${ratios.map((x) => x.toFixed(4)).join(" | ")} | ${seconds} |`,
      );
    }
  }
  loewner.dispose();
}
