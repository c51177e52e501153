// Scores the model and its result on the person's own examples, as `loewner evaluate` does. It brings the tasks along, and tokenizers, so it
// is loaded when there are examples.
import { Tokenizer } from "@huggingface/tokenizers";
import { blobSource, type OnnxModel, readNpz } from "loewner/formats";
import { type OutputFile, textTokenizer } from "loewner/model";
import { checkTextBytes } from "loewner/model/calibrate/text-files.js";
import { classNamesIn } from "loewner/model/evaluate/class-names.js";
import { evaluateModels, type Evaluations, taskNamed } from "loewner/model/evaluate/evaluate.js";
import { guessTask } from "loewner/model/evaluate/guess.js";
import { isTableFile, readTable, type Table } from "loewner/model/evaluate/table.js";
import type { EvaluationData } from "loewner/model/evaluate/task.js";
import { tasks } from "loewner/model/evaluate/tasks/index.js";
import type { Examples, Scoring } from "./protocol.js";
import { withRuntime } from "./runtime.js";
import type { Run } from "./serve.js";
import { openResult } from "./verify.js";

/** What is scored, and what lies beside it. */
export interface Scored {
  readonly original: OnnxModel;
  /** The result, the main file last. */
  readonly files: readonly OutputFile[];
  readonly tokenizer?: File;
  readonly config?: Record<string, unknown>;
}

/** @param task names the columns of files that have no row of names */
export async function examplesIn(model: OnnxModel, file: File, task?: string): Promise<Examples> {
  const data = await dataIn(file, task);
  return {
    name: file.name,
    rows: data.table?.length,
    columns: data.table?.columns ?? [],
    task: task ?? guessed(model, data),
    tasks: tasks.map(({ name, description, text = [], label, columns }) => ({
      ...{ name, description, text, label, isHeadless: columns !== undefined },
    })),
  };
}

/** @throws {InvalidInputError} as `evaluateModels` */
export async function scoreModels(
  { original, files, tokenizer, config }: Scored,
  { examples, task, text, label, labels, pooling, passages, relevance, runtime: folder }: Scoring,
  { signal, onProgress }: Run,
): Promise<Evaluations> {
  onProgress({ stage: "reading the examples", done: 0, total: 1 });
  const data: EvaluationData = {
    ...(await dataIn(examples, task)),
    ...(passages && { passages: await tableIn(passages) }),
    ...(relevance && { relevance: await tableIn(relevance) }),
  };
  const cutting = tokenizer && textTokenizer(Tokenizer, new Uint8Array(await tokenizer.arrayBuffer()), tokenizer.name);
  onProgress({ stage: "loading onnxruntime-web", done: 0, total: 1 });
  return withRuntime(new URL(folder), signal, async (runtime) => {
    const models = [{ model: original }, { model: await openResult(files, signal) }];
    return evaluateModels(models, data, task, {
      ...{ text, label, labels: labels ?? classNamesIn(config), pooling },
      ...{ tokenizer: cutting, runtime, signal, onProgress },
    });
  });
}

async function dataIn(file: File, task: string | undefined): Promise<EvaluationData> {
  const columns = task === undefined ? undefined : taskNamed(task).columns;
  if (isTableFile(file.name)) return { name: file.name, table: await tableIn(file, columns) };
  return { name: file.name, arrays: Object.fromEntries(await readNpz(blobSource(file))) };
}

async function tableIn(file: File, columns?: readonly string[]): Promise<Table> {
  checkTextBytes(file.name, file.size);
  return readTable(new Uint8Array(await file.arrayBuffer()), file.name, { columns });
}

/** Undefined where they could be of several. */
function guessed(model: OnnxModel, data: EvaluationData): string | undefined {
  try {
    return guessTask(model, data, {});
  } catch {
    return undefined; // the person says it
  }
}
