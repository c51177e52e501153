// What sums in f32 can hold: rows are multiplied by powers of their weights before they are squared, and f32 ends at 2^±126.
import type { EngineRows } from "../../engine/engine.js";

/** The smallest and the largest positive row weight; 1 where there are none. */
export async function weightRange({ state }: EngineRows): Promise<{ least: number; most: number }> {
  const weights = await state.get("weights");
  if (!weights) return { least: 1, most: 1 };
  let least = Infinity;
  let most = 0;
  for (const s of weights) {
    if (!(s > 0)) continue;
    if (s < least) least = s;
    if (s > most) most = s;
  }
  return most > 0 ? { least, most } : { least: 1, most: 1 };
}

/** Row scales within 2^±40 leave squares of equilibrated rows, and 256 of them summed, far inside of f32. */
const mostBits = 40;

/** Whether Gram matrices of Lewis weights may be summed in f32: rows are multiplied by up to s^(1/p), and by no less. */
export async function areLewisScalesNarrow(rows: EngineRows, p: number): Promise<boolean> {
  const { least, most } = await weightRange(rows);
  const limit = 2 ** Math.min(1000, mostBits * p);
  return most <= limit && least >= 1 / limit;
}

/** Whether those of diag(s)^(1/2) A may, whose largest entry is `top`: what is far below the largest row counts for nothing. */
export async function areRootScalesNarrow(rows: EngineRows, top: number): Promise<boolean> {
  const { most } = await weightRange(rows);
  const size = Math.sqrt(most) * top;
  return size === 0 || (size < 2 ** (mostBits + 8) && size > 2 ** -(mostBits + 8));
}
