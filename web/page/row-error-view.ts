// Errors of single rows, of what was stored and of SVD: a histogram, and the rows that pay most, by their tokens where these are known.
import type { SessionError } from "../session/connect.js";
import { type SessionClient } from "../session/connect.js";
import type { CompressedSummary, RowErrors, Summary } from "../session/protocol.js";
import { h } from "./dom.js";
import { number3 } from "./layer-table.js";
import { Plot } from "./plots.js";

export class RowErrorView {
  readonly element: HTMLElement;
  private readonly select: HTMLSelectElement;
  private readonly place = h("div", { class: "plot" });
  private readonly plot = new Plot(this.place);
  private readonly note = h("p", { class: "quiet", role: "status" });
  private readonly worst = h("div");

  constructor(
    private readonly session: SessionClient,
    private readonly layers: readonly CompressedSummary[],
    private readonly summary: Summary,
    private readonly signal: AbortSignal,
  ) {
    const largest = [...layers].sort((a, b) => b.bytesBefore - a.bytesBefore);
    this.select = h("select", { id: "row-layer" }, ...largest.map(({ name }) => h("option", { value: name }, name)));
    this.select.addEventListener("change", () => void this.load());
    this.element = h(
      "section",
      { class: "card", "aria-labelledby": "rows-title" },
      h("h3", { id: "rows-title" }, "Who pays: errors of single rows"),
      h("div", { class: "field inline" }, h("label", { for: "row-layer" }, "Layer"), this.select),
      h("div", { class: "plots" }, h("figure", {}, h("figcaption", {}, "Rows by their error"), this.place), this.worst),
      this.note,
    );
  }

  async load(): Promise<void> {
    const layer = this.select.value;
    this.note.textContent = "Errors of single rows are being computed, of SVD too.";
    try {
      const errors = await this.session.call("rowErrors", [layer], { signal: this.signal });
      if (!this.signal.aborted && this.select.value === layer)
        this.draw(
          this.layers.find(({ name }) => name === layer)!,
          errors,
        );
    } catch (error) {
      if (!this.signal.aborted) this.note.textContent = (error as SessionError).message;
    }
  }

  private draw(layer: CompressedSummary, { edges, stored, svd, median, worst, exact }: RowErrors): void {
    // A step needs its right edge, too.
    const closed = (counts: Float64Array) => [...counts, counts.at(-1)!];
    this.plot.draw({
      x: Array.from(edges),
      xLabel: "l_2 error of a row",
      yLabel: "rows",
      logarithmic: { x: true },
      lines: [
        { label: "SVD", colour: "mark", values: closed(svd), bars: true },
        { label: "stored", colour: "line", values: closed(stored), bars: true },
      ],
      description: `Rows of ${layer.name} by their error: the median row errs by ${number3(median.stored)}, with SVD by ${number3(median.svd)}`,
    });
    const named = worst.some(({ token }) => token !== undefined);
    const head = [named ? "token" : "row", "stored", "SVD"];
    const rows = worst.map((each) =>
      h(
        "tr",
        {},
        h(
          "th",
          { scope: "row", class: "text token" },
          each.token === undefined ? `row ${each.row}` : visible(each.token),
          isGivenUp(each, median) ? h("small", {}, " given up on purpose") : undefined,
        ),
        h("td", {}, number3(each.stored)),
        h("td", {}, number3(each.svd)),
      ),
    );
    this.worst.replaceChildren(
      h(
        "table",
        { class: "worst" },
        h("caption", {}, named ? "Tokens that pay most" : "Rows that pay most"),
        h(
          "thead",
          {},
          h("tr", {}, ...head.map((text, i) => h("th", { scope: "col", class: i ? undefined : "text" }, text))),
        ),
        h("tbody", {}, ...rows),
      ),
    );
    const hint =
      named || this.summary.format === "npy"
        ? ""
        : " Drop the model's tokenizer.json, too, to see which tokens these rows are.";
    this.note.textContent = `The median row errs by ${number3(median.stored)}; with SVD ${ofSize.includes(layer.method) ? "in as many bytes" : "at the same rank"} by ${number3(median.svd)}.${farRows(worst, median, exact)}${hint}`;
  }
}

/** Far from all others: SVD would bend to it, at the cost of these. */
const isGivenUp = ({ stored, svd }: RowErrors["worst"][number], median: RowErrors["median"]) =>
  stored > 3 * median.stored && stored > 1.5 * svd && median.stored < median.svd;

/** What became of rows that lie far from all others, in words. */
export function farRows(worst: RowErrors["worst"], median: RowErrors["median"], exact: number): string {
  const given = worst.filter((row) => isGivenUp(row, median)).length;
  const kept = exact > 0 ? ` ${exact} far ${exact === 1 ? "row is" : "rows are"} kept exactly.` : "";
  if (given === 0) return kept;
  const which = `${given === worst.length ? "" : `${given} of `}the ${worst.length} rows that pay most`;
  return `${kept} ${which.charAt(0).toUpperCase()}${which.slice(1)} are given up on purpose: they lie far from all others, which SVD would make worse to follow them.`;
}

/** Ways to store a layer that have no rank. */
const ofSize = ["dense", "transform", "trellis"];

/** Spaces and line ends would not be seen. */
const visible = (token: string) => (token.trim() === "" ? JSON.stringify(token) : token);
