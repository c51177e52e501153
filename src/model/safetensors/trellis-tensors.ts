// A layer in trellis codes as tensors of a safetensors file, which docs/compress.md tells how to read.
import type { SafetensorsDtype, SafetensorsInput } from "../../formats/index.js";
import type { TrellisCode } from "../../types/index.js";
import { halfTable } from "../kinds/code-parts.js";
import { bytesOf } from "../kinds/matrix-journal.js";
import { trellisSizes, type TrellisDescription } from "../kinds/trellis-description.js";
import { rotationName } from "../kinds/trellis.js";
import type { StoredLayer } from "../stored.js";
import type { PlacedTensors } from "./pair-tensors.js";

export function trellisTensors(
  { name }: StoredLayer,
  code: TrellisCode,
): PlacedTensors & { description: TrellisDescription } {
  const { rows, bits, windowBits, segment, codes, scales, scaleLevels, rotation } = code;
  const { segments, size, order } = trellisSizes(code);
  const tensor = (as: string, dtype: SafetensorsDtype, shape: number[], bytes: Uint8Array): SafetensorsInput => ({
    ...{ name: as, dtype, shape, byteLength: bytes.byteLength, chunks: () => [bytes] },
  });
  const key = rotationName(rotation);
  const own = [
    tensor(`${name}.codes`, "U8", [size * segments, (segment * bits) / 8], codes),
    tensor(`${name}.scales`, "U8", [rows], scales),
    tensor(`${name}.levels`, "F32", [scaleLevels.length], bytesOf(scaleLevels)),
  ];
  const table = halfTable(bits, windowBits);
  const shared = [
    tensor(`loewner.trellis${bits}_${windowBits}`, "F16", [table.byteLength / 2], table),
    tensor(`loewner.mixing${key}`, "F32", [order, order], bytesOf(rotation.mixing)),
    tensor(`loewner.signs${key}`, "I8", [size], bytesOf(rotation.signs)),
  ];
  const [codesName, scalesName, levelsName] = own.map((each) => each.name);
  const [tableName, mixing, signs] = shared.map((each) => each.name);
  return {
    description: {
      trellis: {
        ...{ bits, windowBits, codes: codesName, scales: scalesName, scaleLevels: levelsName },
        ...{ table: tableName, mixing, signs },
      },
    },
    tensors: own,
    shared: new Map(shared.map((each) => [each.name, each])),
  };
}
