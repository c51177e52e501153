// Whether models that are given the same token ids have tables of the same tokens, as far as their graphs tell.
import type { OnnxModel } from "../../formats/onnx/types.js";
import { textInputs } from "../calibrate/texts.js";
import { indexBounds } from "../onnx/index-bounds.js";

/** A sentence for each model whose table of tokens has other rows than the first one's. */
export async function otherTables(models: readonly OnnxModel[]): Promise<string[]> {
  const sizes = await Promise.all(models.map(rowsOf));
  return models.flatMap(({ source }, i) => {
    const [rows, first] = [sizes[i], sizes[0]];
    if (rows === undefined || first === undefined || rows === first) return [];
    return [
      `${source.name} knows ${rows} tokens and ${models[0].source.name} ${first}: they are not of one tokenizer, and both were given the same ids.`,
    ];
  });
}

async function rowsOf(model: OnnxModel): Promise<number | undefined> {
  return (await indexBounds(model)).get(textInputs(model).ids.name);
}
