// What operations cost, for whoever plans a call and may never run them.

/** Multiply-adds of a step of reweighting, all n rows. */
export function reweightWork(n: number, d: number, k: number): number {
  return n * (2 * d * ((k * (k + 1)) / 2 + 3 * k) + (k * k * k) / 6);
}

/** Multiply-adds of a step of the splitting, all n rows. */
export function splitWork(n: number, d: number, k: number): number {
  return n * d * (2 * Math.min(k, d - k) + d / 2);
}

/** Finding an entry's code, in multiply-adds of other sweeps that take as long: a step over every state of the trellis. */
export const searchWork = (windowBits: number) => 8 * 2 ** windowBits;
