// Scores of both models, as the command line has them.
import { scoreLines, scoreRows } from "loewner/cli/evaluate-report.js";
import type { Evaluations } from "loewner/model/evaluate/evaluate.js";
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
    tableOf(scoreRows(models)),
    ...notesOf(scores).map(quiet),
    ...(hasIntervals
      ? [
          quiet(
            "95 %: where scores of other such examples would lie. The difference is of both models on the same examples: where its range holds 0, it may be chance.",
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

/** The first row has the heads. */
function tableOf([head, ...rows]: readonly (readonly string[])[]): HTMLElement {
  const heads = head.map((text, i) =>
    h("th", { scope: "col", role: "columnheader", class: i ? undefined : "text" }, text),
  );
  const body = rows.map(([name, ...cells]) =>
    h(
      "tr",
      { role: "row" },
      h("th", { scope: "row", role: "rowheader", class: "text" }, name),
      ...cells.map((text, i) => h("td", { role: "cell", "data-label": head[i + 1] }, unbroken(text))),
    ),
  );
  return h(
    "table",
    { class: "results scores", role: "table", "aria-label": "Scores" },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...heads)),
    h("tbody", { role: "rowgroup" }, ...body),
  );
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
