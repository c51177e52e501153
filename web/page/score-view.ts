// Scores of both models, as the command line has them.
import { scoreLines, shown } from "loewner/cli/evaluate-report.js";
import { megabytes } from "loewner/cli/text.js";
import type { Evaluations, Score } from "loewner/model/evaluate/evaluate.js";
import { h, unbroken } from "./dom.js";

/** @returns with what it comes to, in one line */
export function scoreView(scores: Evaluations): { element: HTMLElement; line: string } {
  const { models } = scores;
  const line = scoreLines(models).join(" ").replaceAll(" -> ", " → ");
  const hasIntervals = models[0].scores.some(({ interval }) => interval);
  const quiet = (text: string) => h("p", { class: "quiet" }, text);
  const element = h(
    "div",
    {},
    h("p", { class: "score-line" }, unbroken(line)),
    tableOf(models),
    ...notesOf(scores).map(quiet),
    ...(hasIntervals
      ? [
          quiet(
            "Below each score, where 95 % of scores on other such examples would lie. The difference is of both models on the same examples: where its range holds 0, it may be chance.",
          ),
        ]
      : []),
  );
  return { element, line };
}

function notesOf({ task, examples, reads, truncated, notes, models }: Evaluations): string[] {
  return [
    `${task}, ${examples} examples; read: ${reads}.`,
    ...notes,
    ...(truncated > 0 ? [`${truncated} texts are longer than the model takes, and were cut.`] : []),
    ...models
      .filter(({ nonFinite }) => nonFinite > 0)
      .map(({ model, nonFinite }) => `${model}: ${nonFinite} answers hold NaN or infinity.`),
  ];
}

/** A score a row: of the original, of the smaller one, and the difference, each with its interval below. */
function tableOf([original, small]: Evaluations["models"]): HTMLElement {
  const heads = ["score", "original", "smaller", "difference"].map((text, i) =>
    h("th", { scope: "col", class: i ? undefined : "text" }, text),
  );
  const rowOf = (name: string, cells: readonly (Node | string)[]) =>
    h("tr", {}, h("th", { scope: "row", class: "text" }, name), ...cells.map((cell) => h("td", {}, cell)));
  const size = [original, small].map(({ bytes }) => unbroken(megabytes(bytes)));
  const rows = original.scores.map((score, i) => {
    const other = small.scores[i];
    return rowOf(score.metric, [cellOf(score, score), cellOf(score, other), cellOf(score, other.difference, signed)]);
  });
  return h(
    "table",
    { class: "scores", "aria-label": "Scores" },
    h("thead", {}, h("tr", {}, ...heads)),
    h("tbody", {}, rowOf("size", [...size, ""]), ...rows),
  );
}

const signed = (score: Pick<Score, "better">, value: number) => (value > 0 ? "+" : "") + shown(score, value);

function cellOf(score: Score, given: Pick<Score, "value" | "interval"> | undefined, words = shown): Node | string {
  if (!given) return "";
  const { value, interval } = given;
  const range =
    interval && !Number.isNaN(interval.low)
      ? `${words(score, interval.low)} to ${words(score, interval.high)}`
      : undefined;
  return h("div", {}, words(score, value), range === undefined ? undefined : h("small", {}, range));
}

/** Messages of the library name the command line's options where the page has fields. */
export function inPageWords(message: string): string {
  return message
    .replace(" with --labels a,b,", ", under More,")
    .replace(" with --label", "")
    .replace(/: --(passages|text) [\w,]+/, "")
    .replace(" (--tokenizer)", ": drop it here")
    .replace("Use --task causal for", "Choose the task causal for");
}
