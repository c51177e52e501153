// Arrays in .npy files that are inputs of a model.
import { InvalidInputError } from "../errors.js";
import type { LimitOptions } from "../formats/limits.js";
import { type NpyTensor, readNpyArray } from "../formats/npy-array.js";
import type { OnnxModel } from "../formats/onnx/types.js";
import { openFile } from "./files/file.js";

/**
 * Reads arrays for a model's inputs, `x.npy` or `name=x.npy`. Those without a name go to the inputs that no other names, in the model's
 * order.
 * @param option what gave them, for messages
 * @throws {FileError} when one cannot be read.
 * @throws {InvalidInputError} when there are more of them than inputs, or two for one.
 */
export async function readNamedArrays(
  model: OnnxModel,
  texts: readonly string[],
  option: string,
  reading: LimitOptions = {},
): Promise<Record<string, NpyTensor & { source: string }>> {
  const names = model.graph.inputs.map(({ name }) => name).filter((name) => !model.graph.initializers.has(name));
  const named = texts.map((text) => {
    const at = text.indexOf("=");
    // A folder may have "=" in its name; an input named like one cannot be told apart, unless the model has it.
    const name =
      at > 0 && (names.includes(text.slice(0, at)) || !/[\\/]/.test(text.slice(0, at))) ? text.slice(0, at) : undefined;
    return { name, path: name === undefined ? text : text.slice(at + 1) };
  });
  const free = names.filter((name) => named.every((each) => each.name !== name));
  const given: Record<string, NpyTensor & { source: string }> = {};
  for (const { name = free.shift(), path } of named) {
    if (name === undefined) {
      throw new InvalidInputError(
        `${path}: there is no input left for it; the model takes ${names.join(", ") || "none"}.`,
        {
          file: path,
        },
      );
    }
    if (Object.hasOwn(given, name)) throw new InvalidInputError(`${option} gives "${name}" twice.`);
    const source = await openFile(path);
    try {
      given[name] = { ...(await readNpyArray(source, { limits: reading.limits })), source: path };
    } finally {
      await source.close();
    }
  }
  return given;
}
