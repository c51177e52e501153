// Classes of texts or of pairs of texts, by the scores that the model gives each class.
import { InvalidInputError } from "../../../errors.js";
import { quote } from "../../../formats/json.js";
import { checkExamples, required, sequencesOf, sequencesOfArrays } from "../examples.js";
import { accuracy } from "../metrics/accuracy.js";
import { argmax } from "../metrics/argmax.js";
import { logLosses } from "../metrics/log-loss.js";
import { mean } from "../metrics/mean.js";
import type { Answer, Answers, Metric, Setting, Task, Trial } from "../task.js";

/** Of predicted classes and those that the data says. */
export interface ClassMetric {
  readonly name: string;
  score(predictions: ArrayLike<number>, labels: ArrayLike<number>, rows?: ArrayLike<number>): number;
}

export interface Classes {
  readonly name: string;
  readonly description: string;
  /** Columns of the text, or of the two of a pair, and of the label. */
  readonly text: readonly string[];
  readonly label: string;
  /** Names of columns, of files that have no row of them. */
  readonly columns?: readonly string[];
  /** As of a task. */
  readonly ragged?: boolean;
  /** Names of the classes, in the usual order. */
  readonly labels?: readonly string[];
  /** Besides the loss. Default: accuracy. */
  readonly metrics?: readonly ClassMetric[];
}

/** A task of classes. Labels of a table are whole numbers or the classes' names; of arrays, `labels`. */
export function classes(own: Classes): Task {
  const { name, description, columns, ragged, metrics = [{ name: "accuracy", score: accuracy }] } = own;
  return {
    ...{ name, description, text: own.text, label: own.label, columns, ragged },
    prepare(setting): Trial {
      const output = setting.output("scores");
      const { data, options } = setting;
      const file = data.name;
      const sequences = data.table ? sequencesOf(setting, options.text ?? own.text) : sequencesOfArrays(data);
      const labels = data.table ? labelsOfTable(setting, own) : labelsOfArrays(setting, sequences.length);
      checkExamples(file, labels.length);
      const notes: string[] = [];
      if (labels.every((label) => label === labels[0]) && labels.length > 1)
        notes.push(`All ${labels.length} labels are class ${labels[0]}: a score on one class says little.`);
      const answers = () => new ClassAnswers(file, labels, metrics);
      return { sequences, output, examples: labels.length, notes, answers };
    },
  };
}

class ClassAnswers implements Answers {
  private readonly predictions: Int32Array;
  private readonly losses: Float64Array;

  constructor(
    private readonly file: string,
    private readonly labels: Int32Array,
    private readonly own: readonly ClassMetric[],
  ) {
    this.predictions = new Int32Array(labels.length);
    this.losses = new Float64Array(labels.length);
  }

  take(at: number, { data, cols }: Answer): void {
    const label = this.labels[at];
    if (!(label >= 0 && label < cols)) {
      throw new InvalidInputError(
        `${this.file}: example ${at + 1} has the label ${label}, but the model tells ${cols} classes, 0 to ${cols - 1}, apart. Give the data of this model's task.`,
        { file: this.file, row: at },
      );
    }
    this.predictions[at] = argmax(data);
    [this.losses[at]] = logLosses(data, cols, [label]);
  }

  metrics(): readonly Metric[] {
    const { labels, predictions, losses, own } = this;
    const named = own.map(({ name, score }): Metric => ({
      ...{ name, better: "higher" },
      score: (rows) => score(predictions, labels, rows),
    }));
    return [...named, { name: "loss", better: "lower", score: (rows) => mean(losses, rows) }];
  }
}

function labelsOfArrays({ data }: Setting, count: number): Int32Array {
  const { data: labels, shape } = required(data.name, data.arrays ?? {}, "labels");
  if (shape.length === 1 && shape[0] === count) return Int32Array.from(labels as ArrayLike<number | bigint>, Number);
  throw new InvalidInputError(
    `${data.name}: labels have shape ${shape.join(" x ")}; ${count}, one a text, was expected.`,
    { file: data.name, tensor: "labels" },
  );
}

/** Whole numbers are classes as they are; names are looked up. */
function labelsOfTable({ data, options }: Setting, own: Classes): Int32Array {
  const table = data.table!;
  const column = options.label ?? own.label;
  const names = options.labels ?? own.labels;
  const texts = table.column(column).map((text) => text.trim());
  const areNumbers = texts.every((text) => /^\d+(\.0*)?$/.test(text));
  return Int32Array.from(texts, (text, row) => {
    if (areNumbers) return Number(text);
    const found = names?.findIndex((name) => fold(name) === fold(text)) ?? -1;
    if (found >= 0) return found;
    const known = names ? `is none of the classes ${names.map(quote).join(", ")}` : "is no number of a class";
    throw new InvalidInputError(
      `${table.name}: line ${table.lines[row]} has ${quote(text)} in ${quote(column)}, which ${known}. Say the classes in the order of the model's outputs with --labels a,b, or choose another column with --label.`,
      { file: table.name, row },
    );
  });
}

/** "not_entailment" and "Not Entailment" are one class. */
const fold = (name: string) => name.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "");

export const classification = classes({
  name: "classification",
  description: "classes of texts: accuracy, loss",
  text: ["text"],
  label: "label",
});
