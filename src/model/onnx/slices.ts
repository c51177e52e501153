// Inputs that share an open first dimension, in slices of it.
import type { ModelInput } from "./inputs.js";

/** The first dimension of all inputs, where it is the same in all and the model leaves it open. */
export function sharedRows(inputs: readonly ModelInput[]): number | undefined {
  const rows = inputs[0]?.shape[0];
  const open = ({ shape, declared }: ModelInput) =>
    shape[0] === rows && (declared === undefined || typeof declared[0] === "string" || declared[0] < 0);
  return rows !== undefined && rows > 1 && inputs.every(open) ? rows : undefined;
}

/** Of at most `step` rows each; views of the same numbers. */
export function cut(inputs: readonly ModelInput[], rows: number, step: number): ModelInput[][] {
  const slices: ModelInput[][] = [];
  for (let start = 0; start < rows; start += step) {
    const end = Math.min(rows, start + step);
    slices.push(
      inputs.map((input) => {
        const size = input.data.length / rows;
        const shape = [end - start, ...input.shape.slice(1)];
        return { ...input, shape, data: input.data.subarray(start * size, end * size) };
      }),
    );
  }
  return slices;
}
