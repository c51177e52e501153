// How alike two texts are: the cosine of their vectors, or the one score of a model that reads both, beside what people said.
import { InvalidInputError } from "../../../errors.js";
import type { Sequence } from "../../calibrate/texts.js";
import { checkExamples, numbersOf, required, sequencesOf, sequencesOfArrays } from "../examples.js";
import { pearson } from "../metrics/pearson.js";
import { spearmanOf } from "../metrics/spearman.js";
import type { Answer, Answers, Metric, Setting, Task, Trial } from "../task.js";
import { cosine, Vectors } from "../vectors.js";

/** GLUE's STS-B, and anything of its kind. Arrays hold the first texts, then the second ones, and `scores`. */
export const stsb: Task = {
  name: "stsb",
  description: "likeness of two texts: Spearman, Pearson",
  text: ["sentence1", "sentence2"],
  label: "score",
  prepare(setting): Trial {
    const output = setting.output("vector", "states", "scores");
    const { data, options } = setting;
    const { text = ["sentence1", "sentence2"], label = "score" } = options;
    if (text.length !== 2)
      throw new InvalidInputError(`${data.name}: likeness is of two texts; give both columns: --text a,b.`, {
        file: data.name,
      });
    const gold = data.table ? numbersOf(data.table, label) : scoresOf(setting);
    checkExamples(data.name, gold.length);
    const notes = gold.every((value) => value === gold[0]) ? ["All labels are equal: correlations are undefined."] : [];
    const rest = { output, examples: gold.length, notes };
    if (output.kind === "scores") {
      if (output.cols !== undefined && output.cols !== 1)
        throw new InvalidInputError(
          `${data.name}: the model's output ${output.description} tells classes apart; likeness is one number. Choose another task.`,
          { file: data.name },
        );
      const sequences = sequencesOf(setting, text);
      return { ...rest, sequences, answers: () => new ScoreAnswers(gold) };
    }
    const sequences = data.table ? text.flatMap((column) => sequencesOf(setting, [column])) : pairsOf(setting, gold);
    return { ...rest, sequences, answers: () => new CosineAnswers(gold) };
  },
};

function scoresOf({ data }: Setting): Float64Array {
  return Float64Array.from(required(data.name, data.arrays ?? {}, "scores").data as ArrayLike<number>, Number);
}

function pairsOf({ data }: Setting, { length }: Float64Array): Sequence[] {
  const sequences = sequencesOfArrays(data);
  if (sequences.length === 2 * length) return sequences;
  throw new InvalidInputError(
    `${data.name}: ${length} scores are of ${2 * length} texts, the first of each pair, then the second ones; input_ids has ${sequences.length}.`,
    { file: data.name, tensor: "input_ids" },
  );
}

abstract class Correlated implements Answers {
  constructor(protected readonly gold: Float64Array) {}

  abstract take(at: number, answer: Answer): void;
  protected abstract values(): Float64Array;

  metrics(): readonly Metric[] {
    const { gold } = this;
    const values = this.values();
    return [
      { name: "spearman", better: "higher", score: spearmanOf(values, gold) },
      { name: "pearson", better: "higher", score: (rows) => pearson(values, gold, rows) },
    ];
  }
}

class ScoreAnswers extends Correlated {
  private readonly scores = new Float64Array(this.gold.length);

  take(at: number, { data }: Answer): void {
    this.scores[at] = data[0];
  }

  protected values(): Float64Array {
    return this.scores;
  }
}

class CosineAnswers extends Correlated {
  private readonly vectors = new Vectors(2 * this.gold.length);

  take(at: number, answer: Answer): void {
    this.vectors.set(at, answer);
  }

  protected values(): Float64Array {
    const { length } = this.gold;
    return this.gold.map((_, i) => cosine(this.vectors.row(i), this.vectors.row(length + i)));
  }
}
