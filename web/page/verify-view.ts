// Both models run on the same inputs in onnxruntime-web, which is loaded when somebody asks.
import { number, percent, megabytes } from "loewner/cli/text.js";
import type { OnnxComparison } from "loewner/model";
import type { SessionClient, SessionError } from "../session/connect.js";
import { runtimeFolder } from "./calibration.js";
import { announce, h, unbroken } from "./dom.js";

/** Cosines from which on answers are said to be the same, or nearly: what the qualities "high" and "small" are asked for. */
const [same, near] = [0.99, 0.96];

export function verifyView(session: SessionClient, signal: AbortSignal): HTMLElement {
  const button = h("button", { type: "button", class: "button", id: "verify" }, "Run both models");
  const comparison = new ComparisonView(signal);
  button.addEventListener("click", () =>
    comparison.run(button, (onProgress) => session.call("verify", [runtimeFolder()], { signal, onProgress })),
  );
  return h(
    "section",
    { class: "card", "aria-labelledby": "verify-title" },
    h("h3", { id: "verify-title" }, "Does it still answer the same?"),
    h(
      "p",
      { class: "quiet" },
      "Runs the original and the smaller model on made-up inputs in onnxruntime-web (14 MB, loaded now, from where this page is).",
    ),
    h("div", { class: "actions" }, button),
    comparison.element,
  );
}

/** How two models were found to answer, or why they were not. */
export class ComparisonView {
  readonly element: HTMLElement;
  private readonly status = h("p", { class: "quiet", role: "status" });
  private readonly fault = h("p", { class: "fault", role: "alert" });
  private readonly place = h("div");

  constructor(private readonly signal: AbortSignal) {
    this.element = h("div", {}, this.status, this.fault, this.place);
  }

  /** @param control what asks for it, which waits meanwhile */
  async run(
    control: HTMLButtonElement | HTMLInputElement,
    compare: (onProgress: (progress: { stage: string }) => void) => Promise<OnnxComparison>,
  ): Promise<void> {
    const { status, fault, place, signal } = this;
    fault.textContent = "";
    control.disabled = true;
    try {
      const comparison = await compare(({ stage }) => (status.textContent = `${stage} …`));
      const { outputs, seconds, bytes } = comparison;
      const cells = outputs.map(({ name, cosine, top1Agreement, top1Vectors, relativeDifference }) => [
        name,
        cosine === undefined ? "" : cosine.toFixed(5),
        top1Agreement === undefined ? "" : `${percent(top1Agreement)} of ${top1Vectors}`,
        relativeDifference === undefined ? "" : number(relativeDifference),
      ]);
      // Clocks of browsers are too coarse for runs of a millisecond.
      const time =
        seconds.original < 0.005
          ? "A run takes a few milliseconds at most"
          : `A run takes ${seconds.ratio.toFixed(2)} times as long as before`;
      const answer = answerOf(comparison);
      place.replaceChildren(
        ...(answer === undefined ? [] : [h("p", { class: "score-line" }, answer)]),
        tableOf(["output", "cosine", "same top 1", "relative difference"], cells),
        h("p", { class: "quiet" }, unbroken(`${time}; ${megabytes(bytes.before)} became ${megabytes(bytes.after)}.`)),
      );
      status.textContent = "";
      announce(answer ?? "Both models have run.");
    } catch (error) {
      status.textContent = "";
      if (!signal.aborted) fault.textContent = (error as SessionError).message;
    } finally {
      control.disabled = false;
    }
  }
}

/** What the cosines come to, of the output that differs most; undefined where there are none. */
export function answerOf({
  outputs,
  rows,
  runs,
}: Pick<OnnxComparison, "outputs" | "rows" | "runs">): string | undefined {
  const broken = outputs.find(({ newNonFinite }) => newNonFinite > 0);
  if (broken) return `No: ${broken.name} holds NaN or infinity where the original has numbers.`;
  const cosines = outputs.flatMap(({ cosine }) => (cosine === undefined ? [] : [cosine]));
  if (cosines.length === 0) return undefined;
  const least = Math.min(...cosines);
  const count = rows ?? runs;
  const told = `${least.toFixed(3)} over ${count} ${count === 1 ? "input" : "inputs"}`;
  if (least >= same) return `Yes, it answers the same: ${told}.`;
  return least >= near ? `Nearly: its answers agree to ${told}.` : `No, its answers differ: ${told}.`;
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): HTMLElement {
  const cell = (text: string, i: number) =>
    i === 0 ? h("th", { scope: "row", class: "text" }, text) : h("td", {}, text);
  return h(
    "table",
    { class: "compared" },
    h(
      "thead",
      {},
      h("tr", {}, ...head.map((text, i) => h("th", { scope: "col", class: i ? undefined : "text" }, text))),
    ),
    h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map(cell)))),
  );
}
