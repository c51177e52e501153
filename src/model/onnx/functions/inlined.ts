// Models with functions of their own, as those that read the weights of layers are without.
import type { OnnxModel, OnnxNode } from "../../../formats/onnx/types.js";
import { isView } from "../float-view.js";

const isEmbedding = ({ opType }: OnnxNode) => opType === "EmbedLayerNormalization";

/** By the model that was asked for: whoever asks gets the same. */
const known = new WeakMap<OnnxModel, Promise<OnnxModel>>();

/**
 * The model with the bodies of its own functions in place of the calls that take weights or hold some, so that layers are found as in
 * any other, and standard operators in place of EmbedLayerNormalization, which look rows up; all other calls, and functions that these need, stay to the byte. The same model where nothing is inlined. `byteLength` is that
 * of the file.
 *
 * A call stays, too, where the function imports another version of an operator set that its nodes are of than the model does.
 *
 * Cost: a look at each node's operator without these; else a pass over the nodes, and another over the changed model. Memory: bodies of the functions, a copy a call.
 */
export function inlinedModel(model: OnnxModel): Promise<OnnxModel> {
  const isFlat = model.functions.size === 0 && !model.graph.nodes.some(isEmbedding);
  if (isFlat || isView(model)) return Promise.resolve(model);
  let inlined = known.get(model);
  if (!inlined) {
    inlined = import("./inline.js").then(({ inline }) => inline(model));
    known.set(model, inlined);
    void inlined.then((made) => known.set(made, Promise.resolve(made)), () => known.delete(model)); // prettier-ignore
  }
  return inlined;
}
