/** Which file of a folder or a repository is the model when none is named. */
import { FileError } from "../errors.js";
import { listNames } from "../formats/names.js";

/** Tried in this order; without any of them, the only .safetensors file, else the only .onnx file. */
export const modelFileOrder = [
  "model.safetensors",
  "model.safetensors.index.json",
  "onnx/model.onnx",
  "model.onnx",
] as const;

/** The model among files, and the other candidates that the order put behind it. */
export interface ModelFileChoice {
  readonly file: string;
  readonly others: readonly string[];
}

/**
 * Chooses by `modelFileOrder`.
 * @param names relative to the folder or repository, with / between folders
 * @param where the folder or repository, for the message
 * @throws {FileError} when there is no model, or several that the order does not tell apart; it lists what there is.
 */
export function chooseModelFile(names: readonly string[], where: string): ModelFileChoice {
  const known = modelFileOrder.filter((name) => names.includes(name));
  if (known.length > 0) return { file: known[0], others: known.slice(1) };
  for (const ending of [".safetensors", ".onnx"]) {
    const found = names.filter((name) => name.endsWith(ending));
    if (found.length === 1) return { file: found[0], others: [] };
    if (found.length > 1) {
      throw new FileError(
        `${where} holds several models and none is called ${modelFileOrder[0]} or ${modelFileOrder[3]}: ${listNames(found)}. Name the one you mean.`,
        { file: where },
      );
    }
  }
  throw new FileError(
    `${where} holds no .safetensors or .onnx model; it has ${listNames(names)}. Convert the model to one of them first.`,
    { file: where },
  );
}
