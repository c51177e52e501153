import { test } from "vitest";
import { createLoewner } from "../../src/index.js";
import { given, tortures } from "./matrices.js";
import { LevelSetSpace } from "../../src/geometry/level-set-space.js";
test("debug", async () => {
  const loewner = await createLoewner();
  const g = (await given(tortures[process.env.M!], "f64"))!;
  const orig = LevelSetSpace.prototype.slopes;
  let n = 0;
  LevelSetSpace.prototype.slopes = async function (pts) {
    const before = pts.map((y) => [...y].slice(0, 4).map((x) => x.toPrecision(3)).join(","));
    const r = await orig.call(this, pts);
    if (n++ < 6) console.log(this.p, "rank", this.rank, this.lewis, before.slice(0, 6), "norms", [...r.norms].slice(0, 6));
    return r;
  };
  for (const p of [1, 1.25, 1.5, 3, Infinity])
    await loewner.levelSetEllipsoid(g.a, { p, maxIterations: 3, directions: 4 }).catch((e) => console.log(p, e.message));
});
