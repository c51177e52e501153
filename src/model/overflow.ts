// Left factors whose numbers leave the range of the type that they are stored in.
import { InvalidInputError, isLoewnerError } from "../errors.js";
import type { RowType } from "../matrix.js";

/** f16 ends at 65504: a left factor can pass it where the layer itself did not. */
export function checkRange(
  name: string,
  data: Float32Array | Float64Array,
  type: RowType,
  first: number,
  cols: number,
): void {
  if (type !== "f16") return;
  const at = data.findIndex((x) => !(Math.abs(x) <= 65504));
  if (at < 0) return;
  const row = Math.floor((first + at) / cols);
  throw new InvalidInputError(
    `The left factor of ${name} holds ${data[at]} in row ${row}, more than f16 can store (65504); ${wayOut(name, type)}`,
    { tensor: name, row },
  );
}

const wider: Partial<Record<RowType, string>> = { f16: "f32 or int8", bf16: "f32", f32: "f64" };

function wayOut(name: string, type: RowType): string {
  const other = wider[type] === undefined ? "" : `store it as ${wider[type]} (--dtype), or `;
  return `${other}leave the layer out with --exclude ${name}.`;
}

/** Of left factors that leave the range of their type the layer is told, and the way out; other errors as they are. */
export function overflowOf(error: unknown, name: string, type: RowType): unknown {
  if (!isLoewnerError(error, "INVALID_INPUT") || error.place.tensor !== "left") return error;
  const { row } = error.place;
  return new InvalidInputError(
    `The left factor of ${name} holds more than ${type} can store in row ${row}; ${wayOut(name, type)}`,
    { tensor: name, row },
    { cause: error },
  );
}
