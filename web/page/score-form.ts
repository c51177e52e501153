// Examples as they are to be read: task, columns, and what runs. It is loaded with the first file of examples.
import { percent } from "loewner/cli/text.js";
import type { Pooling } from "loewner/model/evaluate/pooling.js";
import type { SessionClient, SessionError } from "../session/connect.js";
import type { Examples, ExampleTask, ProgressReport, Scoring, Summary } from "../session/protocol.js";
import { runtimeFolder } from "./calibration.js";
import { announce, h } from "./dom.js";
import { inPageWords, scoreView } from "./score-view.js";

export class ScoreForm {
  private readonly note = h("p", { class: "quiet", role: "status", id: "score-note" });
  private readonly task = h("select", { id: "score-task" });
  private readonly text = h("select", { id: "score-text" });
  private readonly second = h("select", { id: "score-second" });
  private readonly label = h("select", { id: "score-label" });
  private readonly names = h("input", { type: "text", id: "score-names", "aria-describedby": "score-names-help" });
  private readonly pooling = h(
    "select",
    { id: "score-pooling" },
    ...[
      ["mean", "mean over the tokens"],
      ["cls", "first token"],
      ["max", "largest over the tokens"],
    ].map(([value, text]) => h("option", { value }, text)),
  );
  private readonly passages = h("input", { type: "file", id: "score-passages" });
  private readonly relevance = h("input", { type: "file", id: "score-relevance" });
  private readonly start = h("button", { type: "submit", class: "button primary", id: "score-run" }, "Score both");
  private readonly stop = h("button", { type: "button", class: "button", id: "score-cancel", hidden: true }, "Cancel");
  private readonly progress = h("progress", { max: 1, value: 0, "aria-label": "Progress of the scores" });
  private readonly told = h("p", { class: "quiet" });
  private readonly running = h("div", { class: "running", hidden: true }, this.progress, this.told);
  private readonly fault = h("p", { class: "fault", role: "alert", id: "score-run-fault" });
  private readonly place = h("div", { id: "scores" });
  private readonly fields = {
    task: field("Task", this.task),
    text: field("Column of the texts", this.text),
    second: field("Column of the second texts", this.second),
    label: field("Column of the labels", this.label),
    passages: field("Passages that are searched", this.passages),
    relevance: field("Which passage answers which query", this.relevance, "empty: in the column relevant"),
    names: field("Names of the classes, in the order of the model's outputs", this.names, "a, b, c; numbers need none"),
    pooling: field("One vector a text, of its tokens'", this.pooling),
  };
  private readonly more = h(
    "details",
    {},
    h("summary", {}, "More"),
    h("div", { class: "fields" }, this.fields.names, this.fields.pooling),
  );
  readonly element = h(
    "form",
    { "aria-label": "How the examples are read", novalidate: true },
    this.note,
    h(
      "div",
      { class: "fields" },
      ...[this.fields.task, this.fields.text, this.fields.second, this.fields.label],
      ...[this.fields.passages, this.fields.relevance],
    ),
    this.more,
    h("div", { class: "actions" }, this.start, this.stop, this.running),
    this.fault,
    this.place,
  );
  private file: File | undefined;
  private examples: Examples | undefined;
  private abort: AbortController | undefined;

  /** @param ended the result that is scored is there no more */
  constructor(
    private readonly session: SessionClient,
    private summary: Summary,
    private readonly ended: AbortSignal,
  ) {
    this.task.addEventListener("change", () => void this.taskChosen());
    this.stop.addEventListener("click", () => this.abort?.abort());
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.run();
    });
    ended.addEventListener("abort", () => this.abort?.abort());
  }

  know(summary: Summary): void {
    this.summary = summary;
    this.fault.textContent = "";
    this.showNote();
  }

  /** Reads them: what is wrong with them is thrown, and what was there before stays. */
  async take(file: File): Promise<void> {
    this.abort?.abort();
    const examples = await this.session.call("examples", [file], { signal: this.ended });
    [this.file, this.examples] = [file, examples];
    this.place.replaceChildren();
    this.fault.textContent = "";
    const choose = examples.task === undefined ? [h("option", { value: "" }, "choose a task")] : [];
    const options = examples.tasks.map(({ name, description }) =>
      h("option", { value: name, selected: name === examples.task }, `${name}: ${description}`),
    );
    this.task.replaceChildren(...choose, ...options);
    this.showColumns();
    this.showNote();
    this.start.focus({ preventScroll: true });
  }

  private get chosen(): ExampleTask | undefined {
    return this.examples?.tasks.find(({ name }) => name === this.task.value);
  }

  /** Files of some tasks have no row of names, so that their columns are others. */
  private async taskChosen(): Promise<void> {
    const { chosen, file } = this;
    if (!chosen || !file) return;
    this.fault.textContent = "";
    try {
      const own = chosen.isHeadless ? chosen.name : undefined;
      const { columns, rows } = await this.session.call("examples", [file, own], { signal: this.ended });
      if (this.chosen !== chosen || this.file !== file) return;
      this.examples = { ...this.examples!, columns, rows };
      this.showColumns();
      this.showNote();
    } catch (error) {
      this.showFault(error as SessionError);
    }
  }

  private showColumns(): void {
    const { columns, rows } = this.examples!;
    const { chosen, fields } = this;
    const isTable = rows !== undefined;
    const { text: [first, second] = [], label } = chosen ?? {};
    fill(this.text, columns, first, "choose a column");
    fill(this.second, columns, second, "none");
    fill(this.label, columns, label, "choose a column");
    const isRetrieval = chosen?.name === "retrieval";
    const isLabelled = chosen === undefined || label !== undefined;
    fields.text.hidden = !isTable;
    fields.second.hidden = fields.label.hidden = !(isTable && isLabelled);
    fields.passages.hidden = fields.relevance.hidden = !isRetrieval;
    fields.names.hidden = !(isTable && isLabelled);
  }

  private showNote(): void {
    if (!this.examples) return;
    const { name, rows, columns } = this.examples;
    const { tokenizer } = this.summary;
    const what = rows === undefined ? "token ids as they are" : `${rows} examples with ${columns.join(", ")}`;
    const open = this.task.value === "" ? " These columns do not tell the task: choose it, and its columns." : "";
    const missing =
      rows === undefined || tokenizer !== undefined
        ? ""
        : " Texts take the model's tokenizer.json, which is still missing: drop it here too.";
    this.note.textContent = `${name}: ${what}.${open}${missing}`;
  }

  private get scoring(): Scoring {
    const { task, text, second, label, names, pooling, passages, relevance, fields } = this;
    const isTable = this.examples!.rows !== undefined;
    const given = (select: HTMLSelectElement, place: HTMLElement) =>
      !place.hidden && select.value !== "" ? [select.value] : [];
    const labels = names.value.split(",").map((name) => name.trim());
    const [own] = given(label, fields.label);
    return {
      ...{ examples: this.file!, task: task.value, pooling: pooling.value as Pooling, runtime: runtimeFolder() },
      ...(isTable && { text: [...given(text, fields.text), ...given(second, fields.second)] }),
      ...(own !== undefined && { label: own }),
      ...(!fields.names.hidden && labels[0] !== "" && { labels }),
      ...(!fields.passages.hidden && { passages: passages.files?.[0], relevance: relevance.files?.[0] }),
    };
  }

  /** What is still to be chosen. */
  private get open(): [HTMLElement, string] | undefined {
    const { task, text, label, passages, fields } = this;
    if (task.value === "") return [task, "Choose the task."];
    if (!fields.text.hidden && text.value === "") return [text, "Choose the column of the texts."];
    if (!fields.label.hidden && label.value === "") return [label, "Choose the column of the labels."];
    if (!fields.passages.hidden && !passages.files?.length) return [passages, "Choose the file of the passages."];
    return undefined;
  }

  private async run(): Promise<void> {
    if (!this.examples || this.abort) return;
    const [wanted, why] = this.open ?? [];
    this.fault.textContent = why ?? "";
    if (wanted) return wanted.focus();
    this.place.replaceChildren();
    this.abort = new AbortController();
    this.setRunning(true);
    const onProgress = ({ stage, done, total }: ProgressReport) => {
      this.progress.value = done / total;
      this.told.textContent = `${percent(done / total)} · ${stage}`;
    };
    try {
      const scores = await this.session.call("score", [this.scoring], { signal: this.abort.signal, onProgress });
      const { element, line } = scoreView(scores);
      this.place.replaceChildren(element);
      announce(line);
    } catch (error) {
      const { code } = error as SessionError;
      if (code === "ABORTED") this.told.textContent = "Cancelled.";
      else this.showFault(error as SessionError);
      if (code === "ABORTED") announce("Cancelled. Nothing was scored.");
    } finally {
      this.abort = undefined;
      this.setRunning(false);
    }
  }

  private setRunning(is: boolean): void {
    this.start.hidden = is;
    this.stop.hidden = !is;
    this.running.hidden = !is && this.told.textContent !== "Cancelled.";
    this.progress.hidden = !is;
    if (is) {
      this.progress.value = 0;
      this.told.textContent = "reading";
    }
    for (const each of this.element.querySelectorAll<HTMLSelectElement | HTMLInputElement>("select, input"))
      each.disabled = is;
    if (!this.ended.aborted) (is ? this.stop : this.start).focus({ preventScroll: true });
  }

  private showFault({ message, code }: SessionError): void {
    if (this.ended.aborted) return;
    this.fault.textContent = `${inPageWords(message)}${code === undefined ? " (this is a fault of the page)" : ""}`;
  }
}

function field(name: string, control: HTMLInputElement | HTMLSelectElement, help?: string): HTMLElement {
  const small = help === undefined ? undefined : h("small", { id: `${control.id}-help` }, help);
  if (small) control.setAttribute("aria-describedby", small.id);
  return h("div", { class: "field" }, h("label", { for: control.id }, name), control, small);
}

function fill(select: HTMLSelectElement, columns: readonly string[], usual: string | undefined, none: string): void {
  select.replaceChildren(
    h("option", { value: "" }, none),
    ...columns.map((name) => h("option", { value: name, selected: name === usual }, name)),
  );
}
