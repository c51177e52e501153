// Hidden words that a masked language model fills in.
import { InvalidInputError } from "../../../errors.js";
import type { Sequence } from "../../calibrate/texts.js";
import { checkExamples, required, sequencesOf, sequencesOfArrays } from "../examples.js";
import { randomBits } from "../interval.js";
import { argmax } from "../metrics/argmax.js";
import { logLosses } from "../metrics/log-loss.js";
import type { Answer, Answers, Metric, Setting, Task, Trial } from "../task.js";

/** Not asked for, among labels. */
const notAsked = -100;
const usualShare = 0.15;

interface Hidden extends Sequence {
  /** One a token: the word that is asked for, or -100. */
  readonly labels: Int32Array;
}

/**
 * BERT's own task (Devlin et al. 2019), every hidden token replaced by the mask token. Arrays are `input_ids`, hidden already, and `labels`
 * of that shape, -100 where nothing is asked.
 */
export const masked: Task = {
  name: "masked",
  description: "hidden words: loss, accuracy",
  text: ["text"],
  prepare(setting): Trial {
    const output = setting.output("words");
    const { data } = setting;
    const sequences = data.table ? hiddenOf(setting) : labelled(setting);
    const asked = sequences.reduce((sum, { labels }) => sum + labels.filter((label) => label !== notAsked).length, 0);
    checkExamples(data.name, asked);
    return {
      ...{ sequences, output, examples: sequences.length },
      notes: [`${asked} words are hidden.`],
      answers: () => new WordAnswers(data.name, sequences),
    };
  },
};

function labelled({ data }: Setting): Hidden[] {
  const { data: labels, shape } = required(data.name, data.arrays ?? {}, "labels");
  const ids = required(data.name, data.arrays ?? {}, "input_ids");
  if (shape.join() !== ids.shape.join())
    throw new InvalidInputError(
      `${data.name}: labels have shape ${shape.join(" x ")}; that of input_ids, ${ids.shape.join(" x ")}, was expected, -100 where no word is asked for.`,
      { file: data.name, tensor: "labels" },
    );
  return sequencesOfArrays(data).map((sequence, i) => ({
    ...sequence,
    labels: Int32Array.from({ length: sequence.ids.length }, (_, j) => Number(labels[i * shape[1] + j])),
  }));
}

function hiddenOf(setting: Setting): Hidden[] {
  const { seed = 0, maskShare = usualShare, text = ["text"] } = setting.options;
  if (!(maskShare > 0 && maskShare <= 1))
    throw new InvalidInputError(`maskShare must be above 0 and at most 1; got ${maskShare}.`);
  const encoder = setting.encoder();
  const { maskId } = encoder;
  if (maskId === undefined)
    throw new InvalidInputError(
      `The tokenizer has no [MASK] or <mask>, so it is no masked language model's. Use --task causal for one that writes on.`,
    );
  const own = new Set(Array.from(encoder.encode("").ids)); // those around every text
  const bits = randomBits(seed);
  return sequencesOf(setting, text).map(({ ids, ...rest }) => {
    const free = Array.from(ids, (id, i) => (own.has(id) ? -1 : i)).filter((i) => i >= 0);
    const wanted = free.length && Math.max(1, Math.round(maskShare * free.length));
    const hidden = Int32Array.from(ids);
    const labels = new Int32Array(ids.length).fill(notAsked);
    for (let n = 0; n < wanted; ++n) {
      const at = n + (bits() % (free.length - n));
      [free[n], free[at]] = [free[at], free[n]];
      labels[free[n]] = ids[free[n]];
      hidden[free[n]] = maskId;
    }
    return { ...rest, ids: hidden, labels };
  });
}

class WordAnswers implements Answers {
  /** One a sequence: sums over its hidden words. */
  private readonly losses: Float64Array;
  private readonly right: Float64Array;
  private readonly asked: Float64Array;

  constructor(
    private readonly file: string,
    private readonly sequences: readonly Hidden[],
  ) {
    [this.losses, this.right, this.asked] = [0, 1, 2].map(() => new Float64Array(sequences.length));
  }

  take(at: number, { data, rows, cols }: Answer): void {
    const { labels } = this.sequences[at];
    for (let i = 0; i < rows; ++i) {
      const label = labels[i];
      if (label === notAsked) continue;
      if (!(label >= 0 && label < cols))
        throw new InvalidInputError(
          `${this.file}: text ${at + 1} asks for word ${label}, but the model knows ${cols}. Give the data, or the tokenizer, of this model.`,
          { file: this.file, row: at },
        );
      const scores = data.subarray(i * cols, (i + 1) * cols);
      this.losses[at] += logLosses(scores, cols, [label])[0];
      this.right[at] += Number(argmax(scores) === label);
      ++this.asked[at];
    }
  }

  metrics(): readonly Metric[] {
    const { losses, right, asked } = this;
    return [
      { name: "loss", better: "lower", score: (rows) => share(losses, asked, rows) },
      { name: "accuracy", better: "higher", score: (rows) => share(right, asked, rows) },
    ];
  }
}

/** Sum over sum: of words, not of texts. */
function share(part: Float64Array, all: Float64Array, rows?: ArrayLike<number>): number {
  let [above, below] = [0, 0];
  for (let i = 0, count = rows?.length ?? all.length; i < count; ++i) {
    const row = rows ? rows[i] : i;
    above += part[row];
    below += all[row];
  }
  return above / below;
}
