// A layer in trellis codes.
import { trellisBytes, trellisRows } from "../../trellis-codes.js";
import type { KroneckerRotation, TrellisCode } from "../../types/index.js";
import { CodeParts } from "./code-parts.js";
import type { StoredKind } from "./kind.js";
import { bytesOf, nextBytes } from "./matrix-journal.js";
import {
  faultInTrellis,
  isTrellis,
  trellisSizes,
  unknownInTrellis,
  type TrellisDescription,
} from "./trellis-description.js";

interface TrellisText {
  trellis: Pick<TrellisCode, "rows" | "cols" | "bits" | "windowBits" | "segment">;
}

export const trellisKind: StoredKind<TrellisCode, TrellisDescription, TrellisText> = {
  bytesOf: (code) => trellisBytes(code) - rotationBytes(code.rotation),
  typeOf: () => "trellis",
  factors: (code) => Promise.resolve({ left: trellisRows(code) }),

  fields: ["trellis"],
  claims: (layer) => "trellis" in layer,
  isDescribed: isTrellis,
  tensors: ({ trellis: { codes, scales, scaleLevels } }) => [codes, scales, scaleLevels],
  shared: ({ trellis: { table, mixing, signs } }) => [table, mixing, signs],
  unknownIn: ({ trellis }) => unknownInTrellis(trellis),
  faultIn: ({ trellis }, sizes, shapeOf) => faultInTrellis(trellis, sizes, shapeOf),
  async open(model, { trellis }, { rows, cols }) {
    const parts = new CodeParts(model);
    const { bits, windowBits } = trellis;
    const { segment, segments, size, order } = trellisSizes({ rows, cols });
    await parts.checkTable(trellis.table, bits, windowBits);
    const mixing = await parts.numbers(trellis.mixing, order * order);
    const signs = new Int8Array((await parts.bytes(trellis.signs, size)).slice().buffer);
    const odd = signs.findIndex((sign) => sign !== 1 && sign !== -1);
    if (odd >= 0) throw parts.broken(trellis.signs, `has ${signs[odd]} at place ${odd}, which is no sign`);
    const codes = await parts.bytes(trellis.codes, (size * segments * segment * bits) / 8);
    const scales = await parts.scales(trellis, rows);
    return {
      ...{ kind: "trellis", rows, cols, bits, windowBits, segment, codes, ...scales },
      rotation: { order, mixing, signs },
    };
  },

  pack({ rows, cols, bits, windowBits, segment, codes, scales, scaleLevels, rotation: { mixing, signs } }) {
    const text: TrellisText = { trellis: { rows, cols, bits, windowBits, segment } };
    return Promise.resolve({ text, parts: [codes, scales, ...[scaleLevels, mixing, signs].map(bytesOf)] });
  },
  async unpack({ trellis }, parts) {
    const [codes, scales] = [await nextBytes(parts), await nextBytes(parts)];
    const scaleLevels = new Float32Array((await nextBytes(parts)).buffer);
    const mixing = new Float32Array((await nextBytes(parts)).buffer);
    const signs = new Int8Array((await nextBytes(parts)).buffer);
    const { order } = trellisSizes(trellis);
    return { kind: "trellis", ...trellis, codes, scales, scaleLevels, rotation: { order, mixing, signs } };
  },
};

/** What layers of as many columns share. */
const rotationBytes = ({ mixing, signs }: KroneckerRotation) => mixing.byteLength + signs.byteLength;

/** Tells rotations apart: the same text for the same numbers. */
export function rotationName({ order, mixing, signs }: KroneckerRotation): string {
  let hash = 0x811c9dc5;
  for (const part of [mixing, signs]) for (const byte of bytesOf(part)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return `${signs.length}_${order}_${hash.toString(16)}`;
}
