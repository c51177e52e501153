// What the smaller model costs on a task of the person's own: a place to drop examples. The rest is loaded when there are some.
import type { SessionError } from "../session/connect.js";
import type { SessionClient } from "../session/connect.js";
import type { Summary } from "../session/protocol.js";
import { h } from "./dom.js";
import type { ScoreForm } from "./score-form.js";

export class ScoreSection {
  readonly element: HTMLElement;
  private readonly fault = h("p", { class: "fault", role: "alert", id: "score-fault" });
  private readonly place = h("div");
  private form: ScoreForm | undefined;

  constructor(
    private readonly session: SessionClient,
    private summary: Summary,
    private readonly signal: AbortSignal,
  ) {
    const chooser = h("input", {
      ...{ class: "visually-hidden", id: "score-file", type: "file", multiple: true },
      ...{ accept: ".tsv,.csv,.jsonl,.txt,.npz,.json", "aria-describedby": "score-help" },
    });
    chooser.addEventListener("change", () => {
      const files = [...(chooser.files ?? [])];
      chooser.value = "";
      // As if they had been dropped: a tokenizer.json may be among them.
      if (files.length) this.element.dispatchEvent(new CustomEvent("choose", { bubbles: true, detail: files }));
    });
    this.element = h(
      "section",
      { class: "card", "aria-labelledby": "score-title" },
      h("h3", { id: "score-title" }, "What does it cost on your task?"),
      h(
        "p",
        { class: "quiet", id: "score-help" },
        "Drop examples with their labels on this page (.tsv, .csv, .jsonl, or token ids in .npz): both models are scored on them, and you see what is lost and whether that may be chance. They stay in this tab.",
      ),
      h("div", { class: "actions" }, h("label", { class: "button", for: "score-file" }, "Choose examples"), chooser),
      this.fault,
      this.place,
    );
  }

  /** A tokenizer came along. */
  know(summary: Summary): void {
    this.summary = summary;
    this.form?.know(summary);
  }

  async take(files: readonly File[]): Promise<void> {
    this.fault.textContent = "";
    try {
      if (files.length > 1)
        throw new Error(
          `${files.map(({ name }) => name).join(", ")}: one file of examples is scored at a time. Drop one of them.`,
        );
      const { ScoreForm } = await import("./score-form.js");
      if (!this.form) {
        this.form = new ScoreForm(this.session, this.summary, this.signal);
        this.place.replaceChildren(this.form.element);
      }
      await this.form.take(files[0]);
    } catch (error) {
      if (!this.signal.aborted) this.fault.textContent = (error as SessionError).message;
    }
    this.element.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }
}
