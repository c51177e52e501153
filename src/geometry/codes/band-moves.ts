// Plans next to a plan: parts of bands get other bits, right factors too.
import type { TrellisBits } from "../../types/index.js";
import type { BandPlan } from "./groups.js";

type Bands = readonly BandPlan[];

/** The first groups of a band, or of what is not stored, get more bits: as many as the band before, or a number in between. */
export function raised(bands: Bands, groups: number): BandPlan[][] {
  const found: BandPlan[][] = [];
  for (let k = 0; k <= bands.length; ++k) {
    const before = bands.slice(0, k);
    const own = bands[k] as BandPlan | undefined;
    const { bits, rightBits, from, end } = own ?? { bits: 0, rightBits: 8, from: bands.at(-1)?.end ?? 0, end: groups };
    const most = before.at(-1)?.bits ?? 8;
    for (let to = from + 1; to <= end; ++to) {
      const rest = own && to < end ? [{ ...own, from: to }] : [];
      const after = [...rest, ...bands.slice(k + 1)];
      for (let more = bits + 1; more <= most; ++more) {
        const last = before.at(-1);
        if (last?.bits === more) found.push([...before.slice(0, -1), { ...last, end: to }, ...after]);
        else found.push([...before, { bits: more as TrellisBits, cols: 0, rightBits, from, end: to }, ...after]);
      }
    }
  }
  return found;
}

/** The last groups of a band get fewer bits: as many as the band after it, which may be none, or a number in between. */
export function lowered(bands: Bands): BandPlan[][] {
  const found: BandPlan[][] = [];
  bands.forEach((own, k) => {
    const before = bands.slice(0, k);
    const next = bands[k + 1] as BandPlan | undefined;
    for (let from = own.from; from < own.end; ++from) {
      const rest = from > own.from ? [{ ...own, end: from }] : [];
      for (let fewer = own.bits - 1; fewer >= (next?.bits ?? 0); --fewer) {
        const changed = { ...own, bits: fewer as TrellisBits, from };
        const after = bands.slice(k + 1);
        if (next?.bits === fewer) found.push([...before, ...rest, { ...next, from }, ...after.slice(1)]);
        else found.push([...before, ...rest, ...(fewer > 0 ? [changed] : []), ...after]);
      }
    }
  });
  return found;
}

/** A right factor in the other number of bits. */
export function otherRights(bands: Bands): BandPlan[][] {
  return bands.map((_, k) =>
    bands.map((band, i) => (i === k ? { ...band, rightBits: band.rightBits === 4 ? 8 : 4 } : band)),
  );
}
