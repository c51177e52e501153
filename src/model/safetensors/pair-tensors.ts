// A stored pair as tensors of a safetensors file.
import { dtypeOf, type SafetensorsDtype, type SafetensorsInput } from "../../formats/index.js";
import type { CodedMatrix } from "../../types/index.js";
import type { ValueDescription } from "../kinds/index.js";
import { describeCodes, type PartDescription } from "../kinds/pair-description.js";
import { rowChunks, storedBytes, type StoredLayer, type StoredMatrix, type StoredPair } from "../stored.js";
import { transposedRows } from "../../formats/transposed-rows.js";

/** A stored value as it will lie in a file. */
export interface PlacedTensors {
  readonly description: ValueDescription;
  readonly tensors: SafetensorsInput[];
  /** Tensors that stand once for all layers that need them, by name. */
  readonly shared?: ReadonlyMap<string, SafetensorsInput>;
}

/** X = X.left X.right whichever of X and its transpose was fitted: of a transpose the factors change places, transposed. */
export function pairTensors({ name, transposed }: StoredLayer, { left, right }: StoredPair): PlacedTensors {
  const [first, second] = transposed ? ["right", "left"] : ["left", "right"];
  const one = partOf(right ? `${name}.${first}` : name, left, transposed);
  if (!right) return { description: { left: one.part }, tensors: one.tensors };
  const other = partOf(`${name}.${second}`, right, transposed);
  return { description: { left: one.part, right: other.part }, tensors: [...one.tensors, ...other.tensors] };
}

/** The tensors that hold a stored matrix; codes never lie transposed. */
export function partOf(
  name: string,
  matrix: StoredMatrix,
  transposed: boolean,
): { part: PartDescription; tensors: SafetensorsInput[] } {
  if (matrix.kind === "codes") return codedPart(name, matrix);
  const rows = transposed ? transposedRows(matrix.rows) : matrix.rows;
  const tensor: SafetensorsInput = {
    ...{ name, dtype: dtypeOf(rows.dtype), shape: [rows.rows, rows.cols], byteLength: storedBytes(matrix) },
    chunks: () => rowChunks(rows),
  };
  return { part: transposed ? { tensor: name, transposed } : name, tensors: [tensor] };
}

/** Codes and scales under names that begin with `name`. */
export function codedPart(name: string, coded: CodedMatrix): { part: PartDescription; tensors: SafetensorsInput[] } {
  const tensor = (as: string, dtype: SafetensorsDtype, cols: number, bytes: Uint8Array): SafetensorsInput => ({
    ...{ name: as, dtype, shape: [coded.rows, cols], byteLength: bytes.byteLength },
    chunks: () => [bytes],
  });
  const { scales, planes, paddedCols, block } = coded;
  const scaleBytes = new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength);
  const codes = planes.map(({ bits, bytesPerRow, bytes }) =>
    tensor(planes.length > 1 ? `${name}.codes${bits}` : `${name}.codes`, bits === 8 ? "I8" : "U8", bytesPerRow, bytes),
  );
  const scale = tensor(`${name}.scales`, "F16", paddedCols / block, scaleBytes);
  return {
    part: describeCodes(coded, codes.map((each) => each.name), scale.name), // prettier-ignore
    tensors: [...codes, scale],
  };
}
