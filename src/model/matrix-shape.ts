// Tensors of more than two dimensions (stacked experts, heads, kernels of convolutions) as the matrices that they are.

/** Dimensions in two groups, the first ones rows: the grouping with the most of the fewer. */
export function matrixShape(dims: readonly number[]): [number, number] {
  const size = (part: readonly number[]) => part.reduce((product, n) => product * n, 1);
  let best: [number, number] = [dims[0], size(dims.slice(1))];
  for (let split = 2; split < dims.length; ++split) {
    const next: [number, number] = [size(dims.slice(0, split)), size(dims.slice(split))];
    if (Math.min(...next) > Math.min(...best)) best = next;
  }
  return best;
}

/** Why a float tensor is no weight of a layer; undefined for one that is. */
export function shapeReason(dims: readonly number[]): string | undefined {
  if (dims.includes(0)) return "holds no numbers";
  if (dims.length < 2) return `has ${dims.length === 1 ? "one dimension" : "no dimensions"}`;
  return Math.min(...matrixShape(dims)) > 1 ? undefined : "is a single row or column";
}
