// Profile and start of Lewis weights in one sweep over the rows: the start needs the columns' scales, which a few blocks tell.
import { placeOfBad } from "../../engine/operations/bad-entry.js";
import type { EngineRows } from "../../engine/engine.js";
import type { ResultOf } from "../../engine/operations/index.js";
import { blockRows } from "../../engine/sweep.js";
import { rowsRead, rowTypeBytes, type RowSource } from "../../matrix.js";
import { stage } from "./sweeps.js";
import { profile, profileOf, type Profile } from "../profile.js";
import type { Run } from "../run.js";

/** Blocks that the scales are read off, and of how many blocks they have to be for that to be worth it. */
const sampleBlocks = 16;
const manyBlocks = 64;
/** Scales that differ from the sample's by no more than this, beside each other, leave the start as good as it is. */
const looseness = 16;

/** `gram`: that of LewisSweeps.start, for these scales; nothing where they had to be found first. */
export function profiledStart(
  run: Run,
  rows: EngineRows,
  p: number,
): Promise<{ scales: Profile; gram?: Float64Array }> {
  return run.cache.once(`start ${p}`, () => start(run, rows, p));
}

async function start(run: Run, rows: EngineRows, p: number): Promise<{ scales: Profile; gram?: Float64Array }> {
  const { source } = rows;
  // John's weights begin otherwise.
  const columnScale = p < Infinity ? await sampledScale(run, source) : undefined;
  if (!columnScale) return { scales: await run.cache.once("profile", () => profile(run, rows)) };
  const params = { p, wide: source.dtype === "f64", profile: true };
  const { gram, ...profiled } = await run.sweep("lewisStart", rows, stage, params, { columnScale });
  const scales = profileOf(run, source, profiled as ResultOf<"profile">);
  const ratios = scales.columnScale.map((x, j) => x / columnScale[j]);
  const fits = Math.max(...ratios) <= looseness * Math.min(...ratios);
  return scales.unit === 1 && fits ? { scales: { ...scales, columnScale }, gram } : { scales };
}

/** From blocks spread over the rows; nothing where there are few blocks, or the entries are out of the ordinary. */
async function sampledScale(run: Run, source: RowSource): Promise<Float64Array | undefined> {
  const { rows, cols, dtype } = source;
  const blocks = Math.floor(rows / blockRows);
  if (blocks < manyBlocks) return undefined;
  const first = (index: number) => Math.floor((index * blocks) / sampleBlocks) * blockRows;
  const sample = run.open({
    rows: sampleBlocks * blockRows,
    cols,
    dtype,
    async read(start, count) {
      const rowBytes = cols * rowTypeBytes[dtype];
      const bytes = new Uint8Array(count * rowBytes);
      for (let at = start; at < start + count;) {
        const inside = at % blockRows;
        const here = Math.min(blockRows - inside, start + count - at);
        const from = first(Math.floor(at / blockRows)) + inside;
        bytes.set(await rowsRead(source, from, here), (at - start) * rowBytes);
        at += here;
      }
      return bytes;
    },
  });
  const found = await run.sweep("profile", sample, "profile", {}, {});
  run.close(sample);
  if (placeOfBad(found.bad, cols)) return undefined;
  const { unit, columnScale } = profileOf(run, source, found);
  return unit === 1 ? columnScale : undefined;
}
