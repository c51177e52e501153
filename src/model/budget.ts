// How much of a byte budget each layer gets: least total error, greedily by error saved a byte on each layer's lower convex hull.
// For errors that are convex in bytes (a spectrum's tail is, in the rank) that is exact up to the last step (Fox, Discrete
// optimization via marginal analysis, 1966).

/** One way to store a layer. */
export interface Choice {
  readonly bytes: number;
  /** Relative squared error, 0 ... 1. */
  readonly error: number;
}

/**
 * One choice for each layer, together at most `bytes`.
 * @returns undefined when even the smallest choices take more
 * Cost: sorting all choices.
 */
export function allocate<C extends Choice>(layers: readonly (readonly C[])[], bytes: number): C[] | undefined {
  const hulls = layers.map(lowerHull);
  const chosen = hulls.map((hull) => hull[0]);
  let left = bytes - chosen.reduce((sum, { bytes: size }) => sum + size, 0);
  if (left < 0) return undefined;
  const steps = hulls.flatMap((hull, layer) =>
    hull
      .slice(1)
      .map((to, i) => ({ layer, at: i + 1, slope: (hull[i].error - to.error) / (to.bytes - hull[i].bytes) })),
  );
  // Slopes never rise along a hull, so its steps stay in order; equals are taken in turn, one of each layer.
  steps.sort((a, b) => b.slope - a.slope || a.at - b.at || a.layer - b.layer);
  const stopped = new Set<number>();
  const reached = layers.map(() => 0);
  for (const { layer, at } of steps) {
    // Slopes that are equal but for rounding may come out of order.
    if (stopped.has(layer) || at <= reached[layer]) continue;
    const cost = hulls[layer][at].bytes - chosen[layer].bytes;
    if (cost > left) stopped.add(layer);
    else {
      left -= cost;
      chosen[layer] = hulls[layer][at];
      reached[layer] = at;
    }
  }
  return fill(layers, chosen, bytes, ["bytes", "error"]);
}

/** One choice for each layer, the fewest bytes whose errors add up to no more than `error`; or those of the least error. */
export function allocateError<C extends Choice>(layers: readonly (readonly C[])[], error: number): C[] {
  const total = (chosen: readonly C[]) => chosen.reduce((sum, choice) => sum + choice.error, 0);
  const hulls = layers.map(lowerHull);
  const chosen = hulls.map((hull) => hull[0]);
  const steps = hulls.flatMap((hull, layer) =>
    hull.slice(1).map((to, i) => ({ layer, to, slope: (hull[i].error - to.error) / (to.bytes - hull[i].bytes) })),
  );
  steps.sort((a, b) => b.slope - a.slope || a.layer - b.layer || a.to.bytes - b.to.bytes);
  for (const { layer, to } of steps) {
    if (total(chosen) <= error) break;
    if (to.bytes > chosen[layer].bytes) chosen[layer] = to;
  }
  return chosen;
}

/**
 * What is left of `room` for the sum of one measure is spent on the single change that takes most off the other, while there is one: choices
 * off the hulls count here.
 */
export function fill<C extends Choice>(
  layers: readonly (readonly C[])[],
  chosen: C[],
  room: number,
  [spent, gained]: readonly ["bytes", "error"] | readonly ["error", "bytes"],
): C[] {
  for (;;) {
    const left = room - chosen.reduce((sum, choice) => sum + choice[spent], 0);
    let best: { layer: number; to: C; gain: number } | undefined;
    layers.forEach((choices, layer) => {
      for (const to of choices) {
        const gain = chosen[layer][gained] - to[gained];
        if (gain > (best?.gain ?? 0) && to[spent] - chosen[layer][spent] <= left) best = { layer, to, gain };
      }
    });
    if (!best) return chosen;
    chosen[best.layer] = best.to;
  }
}

/** Vertices of the lower convex hull from the fewest bytes to the least error, by rising bytes. */
export function lowerHull<C extends Choice>(choices: readonly C[]): C[] {
  const sorted = [...choices].sort((a, b) => a.bytes - b.bytes || a.error - b.error);
  const hull: C[] = [];
  for (const next of sorted) {
    if (hull.length && next.error >= hull[hull.length - 1].error) continue;
    while (hull.length > 1 && !isBelow(hull[hull.length - 2], hull[hull.length - 1], next)) hull.pop();
    hull.push(next);
  }
  return hull;
}

/** b lies below the line from a to c, or on it: a step in two halves fits where the whole does not. */
function isBelow(a: Choice, b: Choice, c: Choice): boolean {
  return (b.error - a.error) * (c.bytes - a.bytes) <= (c.error - a.error) * (b.bytes - a.bytes);
}
