// What compressing made: its size, what is proved of each layer, SVD beside it, and the files to take home.
import { answersOf, faultOf } from "loewner/cli/outcome.js";
import { megabytes, number, percent } from "loewner/cli/text.js";
import type { SessionError } from "../session/connect.js";
import { type SessionClient } from "../session/connect.js";
import type { CompressedSummary, Outcome, Summary } from "../session/protocol.js";
import { announce, breakable, byId, h, unbroken } from "./dom.js";
import { number3 } from "./layer-table.js";
import { RowErrorView } from "./row-error-view.js";
import { save } from "./save.js";
import { ScoreSection } from "./score.js";
import { verifyView } from "./verify-view.js";

export class ResultView {
  private readonly section = byId("result");
  private abort = new AbortController();
  private rowErrors: RowErrorView | undefined;
  private scores: ScoreSection | undefined;

  constructor(private readonly session: SessionClient) {}

  clear(): void {
    this.abort.abort();
    this.section.hidden = true;
    this.section.classList.remove("expected");
    this.section.replaceChildren();
    this.rowErrors = this.scores = undefined;
  }

  /** Room for what is being made, so that nothing moves when it comes. */
  expect(): void {
    this.clear();
    this.section.classList.add("expected");
    this.section.replaceChildren(h("p", { class: "quiet" }, "The smaller model will be here."));
    this.section.hidden = false;
  }

  /** A tokenizer came along: rows have names now, and texts can be cut. */
  know(summary: Summary): void {
    void this.rowErrors?.load();
    this.scores?.know(summary);
  }

  /** @returns false where there is nothing that could be scored on them */
  takeExamples(files: readonly File[]): boolean {
    if (files.length) void this.scores?.take(files);
    return this.scores !== undefined;
  }

  show(summary: Summary, outcome: Outcome): void {
    this.clear();
    this.abort = new AbortController();
    const { signal } = this.abort;
    const { layers, seconds } = outcome;
    const title = h("h2", { id: "result-title", tabindex: -1 }, unbroken(titleOf(outcome)));
    const answers = answersTold(outcome, summary);
    const rowErrors = (this.rowErrors = layers.length
      ? new RowErrorView(this.session, layers, summary, signal)
      : undefined);
    const runs = summary.format === "onnx" && layers.length > 0;
    this.scores = runs ? new ScoreSection(this.session, summary, signal) : undefined;
    this.section.replaceChildren(
      title,
      h("p", { class: "quiet" }, sentence(outcome, seconds)),
      ...answers,
      this.downloads(outcome, signal),
      ...(layers.length
        ? [folded(layers, [layerTable(layers), ...told(besideSvd(layers)), proof(layers), ...skipped(outcome)])]
        : skipped(outcome)),
      ...(rowErrors ? [rowErrors.element] : []),
      ...(runs ? [verifyView(this.session, signal)] : []),
      ...(this.scores ? [this.scores.element] : []),
    );
    this.section.hidden = false;
    void rowErrors?.load();
    const faults = answers.filter(({ className }) => className === "fault").map(({ textContent }) => textContent);
    announce([`Done. ${title.textContent}.`, ...faults].join(" "));
    title.focus({ preventScroll: true });
    this.section.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  private downloads({ files }: Outcome, signal: AbortSignal): HTMLElement {
    const fault = h("p", { class: "fault", role: "alert" });
    const buttons = files.map(({ name, bytes }, i) => {
      const button = h(
        "button",
        { type: "button", class: "button primary" },
        unbroken(`Save ${name}, ${megabytes(bytes)}`),
      );
      button.addEventListener("click", async () => {
        fault.textContent = "";
        button.setAttribute("aria-busy", "true");
        try {
          if (await save(this.session, i, name, signal)) announce(`${name} is saved.`);
        } catch (error) {
          if (!signal.aborted) fault.textContent = (error as SessionError).message;
        } finally {
          button.removeAttribute("aria-busy");
        }
      });
      return button;
    });
    return h("div", {}, h("div", { class: "actions downloads" }, ...buttons), fault);
  }
}

const told = (text: string | undefined) => (text === undefined ? [] : [h("p", {}, text)]);

/** The command line's last line. */
function titleOf({ bytesBefore, bytesAfter, answers }: Outcome): string {
  const sizes = `${megabytes(bytesBefore)} → ${megabytes(bytesAfter)}`;
  const told = answers && answersOf(answers);
  if (told) return `${sizes}; ${told}`;
  const change = bytesAfter <= bytesBefore ? "smaller" : "larger";
  return `${sizes}, ${percent(Math.abs(1 - bytesAfter / bytesBefore))} ${change}`;
}

function answersTold({ answers }: Outcome, { format }: Summary): HTMLElement[] {
  if (!answers) return [];
  const { agreement, asked, notes, source } = answers;
  const quiet = (text: string) => h("p", { class: "quiet" }, text);
  if (!agreement) {
    const way = format === "onnx" ? ": with texts of yours they are, and it gets smaller yet" : "";
    return [quiet(`Answers were not compared${way}.`)];
  }
  const faults = {
    missed: `Answers agree less than the ${asked} that was asked for: no layer has more bits to take. Leave out layers that err most, below.`,
    far: "Answers differ much: allow more bytes, or leave out layers that err most, below.",
  };
  const fault = faultOf(answers);
  const lines = [
    ...(fault ? [h("p", { class: "fault" }, faults[fault])] : []),
    quiet(`Calibrated on ${source}, and compared on the same.`),
  ];
  if (notes.length <= 2) return [...lines, ...notes.map(quiet)];
  const summary = `${notes.length} notes on these inputs`;
  return [...lines, h("details", {}, h("summary", {}, summary), ...notes.map(quiet))];
}

/** Of more layers a table would hide what comes after it. */
const mostLayers = 10;

function folded(layers: readonly CompressedSummary[], parts: readonly HTMLElement[]): HTMLElement {
  if (layers.length <= mostLayers) return h("div", {}, ...parts);
  return h("details", { class: "folded" }, h("summary", {}, `Layer by layer, ${layers.length} of them`), ...parts);
}

function sentence({ layers, bytesAfter, bytesBefore }: Outcome, seconds: number): string {
  const time = `${seconds.toFixed(1)} seconds`;
  if (layers.length === 0) return `No layer was compressed, in ${time}: the file is the model as it was.`;
  const what = `${layers.length} ${layers.length === 1 ? "layer" : "layers"} in ${time}`;
  if (bytesAfter < bytesBefore) return `${what}. Everything else is byte for byte as it was.`;
  return `${what}. It grew: its factors are smaller, but so small a model pays more for new nodes and their description.`;
}

/** Of the sum of rows' errors, which models follow most closely; SVD where it was tried, at the same rank. */
function layerTable(layers: readonly CompressedSummary[]): HTMLElement {
  const tried = layers.some((layer) => gainOf(layer) !== undefined);
  const svdHead = tried ? ["with SVD"] : [];
  const head = ["layer", "stored as", "method", "row errors", ...svdHead, "worst row", "proven bound"];
  const labels = (i: number) =>
    i === 0 ? { scope: "col", role: "columnheader", class: "text" } : { scope: "col", role: "columnheader" };
  const rows = layers.map((layer) => {
    const { name, method, objective, certificate } = layer;
    const gain = gainOf(layer);
    const cells = [
      storedAs(layer),
      method === "dense" ? "table in few bits" : method,
      number(objective.l21),
      ...(tried ? [gain === undefined ? "not tried" : method === "svd" ? "this is SVD" : percentChange(gain)] : []),
      `${number3(objective.worstRow.norm)} (row ${objective.worstRow.row})`,
      number(certificate.bound),
    ];
    return h(
      "tr",
      { role: "row" },
      h("th", { scope: "row", role: "rowheader", class: "text" }, breakable(name)),
      ...cells.map((text, i) => h("td", { role: "cell", "data-label": head[i + 1] }, text)),
    );
  });
  return h(
    "table",
    { class: "results", role: "table", "aria-label": "Compressed layers" },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...head.map((text, i) => h("th", labels(i), text)))),
    h("tbody", { role: "rowgroup" }, ...rows),
  );
}

/** Row errors that are less apart than this are said to be the same. */
const tie = 1e-3;

type Tried = Pick<CompressedSummary, "method" | "candidates">;

/** How much larger SVD's row errors are than those of the method that was chosen, both before rounding; undefined where it was not tried. */
function gainOf({ method, candidates }: Tried): number | undefined {
  const svd = candidates.find((each) => each.method === "svd");
  if (svd) return svd.objective.l21 / candidates[0].objective.l21 - 1;
  return method === "svd" ? 0 : undefined;
}

/** Undefined where SVD was not tried. */
export function besideSvd(layers: readonly (Tried & Pick<CompressedSummary, "p">)[]): string | undefined {
  const gains = layers.flatMap((layer) => gainOf(layer) ?? []);
  if (gains.length === 0) return undefined;
  const better = gains.filter((gain) => gain >= tie);
  const norm = `l_${layers[0].p}`;
  if (better.length === 0)
    return `${norm} and SVD tie here: their row errors are less than 0.1 % apart, for no row lies so far out that SVD would follow it.`;
  const others = better.length < gains.length ? "; in the others the two tie" : "";
  return `${norm} beats SVD in ${better.length} of ${gains.length} ${gains.length === 1 ? "layer" : "layers"}: SVD's row errors are up to ${percent(Math.max(...better))} larger${others}.`;
}

function storedAs({ bits, method, rank, type }: CompressedSummary): string {
  if (bits) return `${bits} bits`;
  if (method === "transform") return "codes";
  return method === "dense" ? type : `${rank}, ${type}`;
}

const percentChange = (x: number) => `${x >= 0 ? "+" : "−"}${percent(Math.abs(x))}`;

function proof(layers: readonly CompressedSummary[]): HTMLElement {
  const [{ p }] = layers;
  return h(
    "details",
    {},
    h("summary", {}, "What is proved, and why these ranks"),
    h(
      "p",
      {},
      `For every x, |(A − stored) x| in l_${p} is at most the proven bound times |x| in l_2: no test set is needed, it holds for all inputs.`,
    ),
    h(
      "p",
      {},
      "Row errors: the sum over rows of their l_2 error, which a model's loss follows. Worst row: the largest of them.",
    ),
    ...layers.map(({ name, explain }) => h("p", { class: "quiet" }, breakable(name), `: ${explain}.`)),
  );
}

function skipped({ skipped: found }: Outcome): HTMLElement[] {
  return found.map(({ name, reason }) => h("p", { class: "quiet" }, `${name} was left as it is: ${reason}.`));
}
