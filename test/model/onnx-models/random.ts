/** The i-th number of stream `seed`, uniform in (0, 1): MurmurHash3's finaliser of the two. */
export function uniform(seed: number, i: number): number {
  let h = Math.imul(i ^ Math.imul(seed + 1, 0x9e3779b1), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32 + 2 ** -33;
}
