// The original in memory with the numbers of one layer in the place of its own: made and loaded sooner than a file of codes, which a
// runtime decodes before it runs.
import { encodeNumbers } from "../../formats/index.js";
import type { OnnxModel } from "../../formats/onnx/types.js";
import { TrellisDecoder } from "../../trellis-codes.js";
import type { TrellisCode } from "../../types/index.js";
import type { FittedLayer } from "../fit.js";
import { isView } from "../onnx/float-view.js";
import type { RunnableModel } from "../onnx/runtime.js";

export class PatchedModel {
  private bytes: Uint8Array | undefined;
  /** Puts back what the last layer took the place of. */
  private restore = () => {};

  constructor(private readonly model: OnnxModel) {}

  /** The model with this layer as it decodes, until the next call; undefined where its numbers do not lie in the file as they are. */
  async with({ value, name, transposed }: FittedLayer): Promise<RunnableModel | undefined> {
    const { source, graph, hasExternalData, byteLength } = this.model;
    const tensor = graph.initializers.get(name);
    if (value.kind !== "trellis" || tensor?.rowType !== "f32" || tensor.data.kind !== "inline") return undefined;
    if (hasExternalData || isView(this.model) || tensor.byteLength !== 4 * value.rows * value.cols) return undefined;
    // A copy: a source in memory gives what it has.
    const bytes = (this.bytes ??= (await source.slice(0, source.size)).slice());
    this.restore();
    const { start, end } = tensor.data.span;
    const own = bytes.slice(start, end);
    this.restore = () => bytes.set(own, start);
    bytes.set(encodeNumbers(numbersOf(value, transposed), "f32"), start);
    // Another copy: a page gives what it loads away to the worker that runs it.
    return { name: source.name, byteLength, load: () => Promise.resolve({ model: bytes.slice() }) };
  }
}

/** As the tensor has them. */
function numbersOf(code: TrellisCode, transposed: boolean): Float32Array {
  const { rows, cols } = code;
  const values = new TrellisDecoder(code).rows(0, rows);
  if (!transposed) return values;
  const turned = new Float32Array(rows * cols);
  for (let i = 0; i < rows; ++i) for (let j = 0; j < cols; ++j) turned[j * rows + i] = values[i * cols + j];
  return turned;
}
