// Weights that another one holds in half precision, or the other way round: one of them stays, and Cast makes the other of it.
import { encodeNumbers, f16ToF32 } from "../../half.js";
import type { OnnxModel } from "../../formats/onnx/types.js";
import type { RowSource, RowType } from "../../matrix.js";
import { compared, grouped, join } from "./equal-weights.js";
import { isDequantised, weightRows } from "./float-view.js";
import type { FoundWeight } from "./found-weight.js";

/**
 * Halves that are an initializer of the main graph stay where they are the f32 numbers to the bit, else f32 where these round to the halves, to the nearest, ties to even. Of several
 * copies each is found.
 *
 * Cost: the first and the last number of weights of f32 and f16 that have as many; where these fit, all of both.
 * @param found those of one type joined already
 */
export async function joinHalves(model: OnnxModel, found: readonly FoundWeight[]): Promise<FoundWeight[]> {
  const open = found.filter(({ blocked, tensor }) => blocked === undefined && !isDequantised(tensor));
  const groups = grouped(open, ({ matrix }) => [...matrix].sort((a, b) => a - b).join());
  const whole = new Map<FoundWeight, FoundWeight | undefined>();
  for (const group of groups) {
    const halves = group.filter(({ tensor }) => tensor.rowType === "f16");
    for (const floats of group.filter(({ tensor }) => tensor.rowType === "f32")) {
      for (const half of halves) {
        if (whole.has(half)) continue;
        const made = await joined(model, floats, half);
        if (!made) continue;
        whole.set(floats, undefined).set(half, undefined).set(made.first, made.whole);
        break;
      }
    }
  }
  return found.flatMap((weight) => (whole.has(weight) ? (whole.get(weight) ?? []) : [weight]));
}

async function joined(
  model: OnnxModel,
  floats: FoundWeight,
  half: FoundWeight,
): Promise<{ first: FoundWeight; whole: FoundWeight } | undefined> {
  const as = (type: RowType) => (weight: FoundWeight, shape?: readonly number[]) =>
    inType(weightRows(model, weight.tensor, shape ?? weight.matrix), type);
  const [{ constant, value }] = half.places;
  // What stays is read from anywhere.
  const canStay = !constant && !value.scope.parent;
  const widened = canStay ? await compared(half, floats, as("f32")) : undefined;
  if (widened !== undefined) return { first: half, whole: join(half, floats, widened) };
  const rounded = await compared(floats, half, as("f16"));
  return rounded === undefined ? undefined : { first: floats, whole: join(floats, half, rounded) };
}

/** f32 in halves, or halves in f32. */
function inType(rows: RowSource, dtype: RowType): RowSource {
  if (rows.dtype === dtype) return rows;
  return {
    ...{ rows: rows.rows, cols: rows.cols, name: rows.name, dtype },
    async read(start, count) {
      const { buffer } = new Uint8Array(await rows.read(start, count));
      return encodeNumbers(dtype === "f32" ? f16ToF32(new Uint16Array(buffer)) : new Float32Array(buffer), dtype);
    },
  };
}
