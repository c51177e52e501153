// How well a language model foretells the next token of texts.
import { InvalidInputError } from "../../../errors.js";
import type { Sequence } from "../../calibrate/texts.js";
import { checkExamples, sequencesOfArrays, tableOf } from "../examples.js";
import { logLosses } from "../metrics/log-loss.js";
import { perplexity } from "../metrics/perplexity.js";
import type { Answer, Answers, Metric, Setting, Task, Trial } from "../task.js";

/**
 * Perplexity of a causal language model, whose cache, where it has one, is empty. Texts longer than the model are cut into parts, each
 * read by itself. Arrays are `input_ids`.
 */
export const causal: Task = {
  name: "causal",
  description: "the next token: perplexity",
  text: ["text"],
  prepare(setting): Trial {
    const output = setting.output("words");
    const { data } = setting;
    const parts = data.table ? partsOf(setting) : sequencesOfArrays(data).map((sequence) => [sequence]);
    const sequences = parts.flat();
    const textOf = parts.flatMap((own, text) => own.map(() => text));
    checkExamples(data.name, sequences.length);
    const more = sequences.length - parts.length;
    return {
      ...{ sequences, output, examples: parts.length },
      notes:
        more > 0
          ? [`Texts longer than the model are read in parts: ${sequences.length} of ${parts.length} texts.`]
          : [],
      answers: () => new NextAnswers(data.name, sequences, textOf, parts.length),
    };
  },
};

function partsOf(setting: Setting): Sequence[][] {
  const { text = ["text"] } = setting.options;
  const encoder = setting.encoder();
  const { maxLength } = encoder;
  const before = tokensBefore(setting);
  const room = maxLength - before.length;
  return tableOf(setting.data, "this task")
    .column(text[0])
    .map((each) => {
      const ids = encoder.plain(each);
      const count = Math.max(1, Math.ceil(ids.length / room));
      return Array.from({ length: count }, (_, i) => ({ ids: [...before, ...ids.slice(i * room, (i + 1) * room)] }));
    })
    .map((own) => own.filter(({ ids }) => ids.length > 1))
    .filter((own) => own.length > 0);
}

/** What a tokenizer puts before every text, such as <s>. */
function tokensBefore(setting: Setting): number[] {
  const encoder = setting.encoder();
  const [whole, inner] = [Array.from(encoder.encode("a").ids), encoder.plain("a")];
  return whole.slice(0, Math.max(0, whole.indexOf(inner[0])));
}

class NextAnswers implements Answers {
  private readonly losses: Float64Array;
  private readonly tokens: Float64Array;

  constructor(
    private readonly file: string,
    private readonly sequences: readonly Sequence[],
    private readonly textOf: readonly number[],
    texts: number,
  ) {
    this.losses = new Float64Array(texts);
    this.tokens = new Float64Array(texts);
  }

  take(at: number, { data, rows, cols }: Answer): void {
    const { ids } = this.sequences[at];
    if (rows < ids.length)
      throw new InvalidInputError(
        `${this.file}: the model gives scores at ${rows} of ${ids.length} tokens; perplexity takes them at each. Export it without that cut.`,
        { file: this.file },
      );
    const next = Array.from({ length: ids.length - 1 }, (_, i) => ids[i + 1]);
    const losses = logLosses(data.subarray(0, next.length * cols), cols, next);
    this.losses[this.textOf[at]] += losses.reduce((sum, loss) => sum + loss, 0);
    this.tokens[this.textOf[at]] += next.length;
  }

  metrics(): readonly Metric[] {
    const { losses, tokens } = this;
    return [{ name: "perplexity", better: "lower", score: (rows) => perplexity(losses, tokens, rows) }];
  }
}
