// Profile and start of Lewis weights in one sweep over the rows: the start needs the columns' scales, which a few blocks tell.
import { placeOfBad } from "../engine/bad-entry.js";
import { blockRows, type EngineRows } from "../engine/sweep.js";
import { rowsRead, type RowSource } from "../matrix.js";
import { LewisSweeps } from "./lewis-sweeps.js";
import { profile, profileOf, profileReductions, type Profile } from "./profile.js";
import type { Run } from "./run.js";

/** Blocks that the scales are read off, and of how many blocks they have to be for that to be worth it. */
const sampleBlocks = 16;
const manyBlocks = 64;
/** Scales that differ from the sample's by no more than this, beside each other, leave the start as good as it is. */
const looseness = 16;

/** `gram`: that of LewisSweeps.start, for the columnScale of the facts; nothing where they had to be found first. */
export function profiledStart(run: Run, rows: EngineRows, p: number): Promise<{ facts: Profile; gram?: Float64Array }> {
  return run.facts.once(`start ${p}`, () => start(run, rows, p));
}

async function start(run: Run, rows: EngineRows, p: number): Promise<{ facts: Profile; gram?: Float64Array }> {
  const { source } = rows;
  // John's weights begin otherwise.
  const columnScale = p < Infinity ? await sampledScale(run, source) : undefined;
  if (!columnScale) return { facts: await run.facts.once("profile", () => profile(run, rows)) };
  const sweeps = new LewisSweeps(run, rows, p, columnScale);
  const result = await sweeps.startWith(source.dtype === "f64", profileReductions);
  const facts = profileOf(run, source, result);
  const ratios = facts.columnScale.map((x, j) => x / columnScale[j]);
  const fits = Math.max(...ratios) <= looseness * Math.min(...ratios);
  return facts.unit === 1 && fits ? { facts: { ...facts, columnScale }, gram: result.gram } : { facts };
}

/** From blocks spread over the rows; nothing where there are few blocks, or the entries are out of the ordinary. */
async function sampledScale(run: Run, source: RowSource): Promise<Float64Array | undefined> {
  const { rows, cols, dtype } = source;
  const blocks = Math.floor(rows / blockRows);
  if (blocks < manyBlocks) return undefined;
  const first = (index: number) => Math.floor((index * blocks) / sampleBlocks) * blockRows;
  const sample = run.open({
    ...{ rows: sampleBlocks * blockRows, cols, dtype },
    async read(start, count) {
      const parts: Uint8Array[] = [];
      for (let at = start; at < start + count;) {
        const inside = at % blockRows;
        const here = Math.min(blockRows - inside, start + count - at);
        // The source may use its buffer again, and a Node Buffer's own slice would be a view of it.
        parts.push(new Uint8Array(await rowsRead(source, first(Math.floor(at / blockRows)) + inside, here)));
        at += here;
      }
      return join(parts);
    },
  });
  const found = await run.sweep(sample, "profile", 2 * cols, {
    op: "profile",
    params: {},
    reads: { shared: {}, state: [] },
    writes: { state: [] },
    reduce: profileReductions,
  });
  run.close(sample);
  if (placeOfBad(found.bad, cols)) return undefined;
  const { unit, columnScale } = profileOf(run, source, found);
  return unit === 1 ? columnScale : undefined;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}
