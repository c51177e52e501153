// What the picture says in words and numbers: the headline, the table of errors, and the same for a screen reader once at rest.
import { html } from "./elements.js";
import { turn } from "./geometry.js";
import { nameOfP } from "./plane-view.js";
import type { Line, Solution } from "./solve.js";

/** Milliseconds without a change after which the live region speaks: not at every step of a drag. */
const rest = 600;

interface Row {
  element: HTMLTableRowElement;
  name: HTMLElement;
  cells: HTMLElement[];
}

export class NumbersView {
  readonly headline = html("p", { class: "headline" }, "Two lines through the same points …");
  readonly table: HTMLTableElement;
  /** For screen readers. */
  readonly status = html("p", { class: "hidden", role: "status" });
  private readonly rows = { l2: row("l2"), lp: row("lp"), best: row("best") };
  private timer?: ReturnType<typeof setTimeout>;

  constructor() {
    const heading = (text: string) => html("th", { scope: "col" }, text);
    this.table = html(
      "table",
      {},
      html("caption", { class: "hidden" }, "How far each line is from the points"),
      html("thead", {}, html("tr", {}, ...["Line", "turned by", "sum of distances", "sum of squares"].map(heading))),
      html("tbody", {}, ...Object.values(this.rows).map(({ element }) => element)),
    );
  }

  draw({ p, l2, lp, best, ordinary }: Solution): void {
    const turns = { l2: degrees(turn(l2.angle, ordinary.l2)), lp: degrees(turn(lp.angle, ordinary.lp)) };
    this.headline.replaceChildren(
      "Two far points turn ",
      html("strong", { class: "l2" }, `SVD’s line by ${turns.l2}`),
      ", ",
      html("strong", { class: "lp" }, "the l", html("sub", {}, nameOfP(p)), ` line by ${turns.lp}`),
      ".",
    );
    this.rows.l2.name.replaceChildren("SVD");
    this.rows.lp.name.replaceChildren("l", html("sub", {}, nameOfP(p)), "-SVD");
    this.rows.best.name.replaceChildren("best of all");
    this.rows.best.name.title = `method "auto" took ${best.method}`;
    fill(this.rows.l2, turns.l2, l2);
    fill(this.rows.lp, turns.lp, lp);
    fill(this.rows.best, degrees(turn(best.angle, ordinary.lp)), best);

    clearTimeout(this.timer);
    const spoken =
      `p ${nameOfP(p)}. SVD's line is turned by ${turns.l2}, sum of distances ${l2.distances.toFixed(1)}. ` +
      `The l ${nameOfP(p)} line is turned by ${turns.lp}, sum of distances ${lp.distances.toFixed(1)}.`;
    this.timer = setTimeout(() => this.status.replaceChildren(spoken), rest);
  }

  dispose(): void {
    clearTimeout(this.timer);
  }
}

const degrees = (radians: number) => `${Math.round((radians * 180) / Math.PI)}°`;

function row(className: string): Row {
  const name = html("span", {}, "…");
  // A dash stands for what is not known yet: the table keeps its size.
  const cells = Array.from({ length: 3 }, () => html("td", {}, "–"));
  const head = html("th", { scope: "row" }, html("span", { class: "swatch" }), name);
  return { element: html("tr", { class: className }, head, ...cells), name, cells };
}

function fill({ cells }: Row, turned: string, { distances, squares }: Line): void {
  const texts = [turned, distances.toFixed(1), squares.toFixed(0)];
  cells.forEach((cell, i) => cell.replaceChildren(texts[i]));
}
