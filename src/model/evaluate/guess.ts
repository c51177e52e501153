// Which task data is of, where nobody says it.
import { InvalidInputError } from "../../errors.js";
import type { OnnxModel } from "../../formats/onnx/types.js";
import { outputOf, type OutputKind } from "./outputs.js";
import type { EvaluationData, TaskOptions } from "./task.js";

/**
 * @returns name of the task
 * @throws {InvalidInputError} where the data could be of several
 */
export function guessTask(model: OnnxModel, data: EvaluationData, { text, label }: TaskOptions): string {
  const puts = (...kinds: OutputKind[]) => {
    try {
      return outputOf(model, kinds).kind;
    } catch {
      return undefined;
    }
  };
  const { arrays = {}, table, passages } = data;
  if (passages) return "retrieval";
  if (!table) {
    if (Object.hasOwn(arrays, "scores")) return "stsb";
    if (!Object.hasOwn(arrays, "labels")) return "causal";
    return arrays.labels.shape.length === 2 ? "masked" : "classification";
  }
  const pair = text ?? ["sentence1", "sentence2"];
  const has = (...names: string[]) => names.every((name) => table.columns.includes(name));
  if (pair.length === 2 && has(...pair, label ?? "score") && puts("vector", "states", "scores") !== undefined)
    if (label === undefined || puts("scores") === undefined) return "stsb";
  const isLabelled = (text !== undefined || has("text")) && (label !== undefined || has("label"));
  if (isLabelled && puts("scores") !== undefined) return "classification";
  throw new InvalidInputError(
    `${data.name} has the columns ${table.columns.join(", ")}, which do not tell its task. Say it with --task, and the columns with --text and --label.`,
    { file: data.name },
  );
}
