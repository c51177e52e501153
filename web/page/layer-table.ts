// The layers with what they weigh, now and after; which of them are chosen.
import { megabytes, number, percent } from "loewner/cli/text.js";
import type { LayerSummary, Prediction, Summary } from "../session/protocol.js";
import { breakable, h } from "./dom.js";

interface Row {
  readonly layer: LayerSummary;
  readonly box: HTMLInputElement;
  readonly element: HTMLElement;
  readonly bar: HTMLElement;
  readonly after: HTMLElement;
  readonly rank: HTMLElement;
  readonly error: HTMLElement;
}

/** What layers are chosen for: a quality takes more of them than sizes of each do. */
export type Aim = "quality" | "size";

export class LayerTable {
  private aim: Aim = "size";
  /** For the other. */
  private readonly kept = new Map<Aim, ReadonlySet<string>>();
  private readonly rows: readonly Row[];
  private readonly unfold = h("button", { type: "button", class: "button unfold" });
  readonly element: HTMLElement;

  constructor({ layers, bytes, stored }: Summary, changed: () => void) {
    const can = layers.filter(({ blocked }) => blocked === undefined);
    const most = can[0]?.bytes ?? 1;
    this.rows = can.map((layer, i) => rowOf(layer, i, most, bytes, changed));
    this.fold();
    this.kept.set("quality", new Set(can.filter(({ inAll }) => inAll).map(({ name }) => name)));
    const head = ["layer", "size", "now", "after", "rank", "error"].map((text, i) =>
      h("th", { scope: "col", role: "columnheader", class: i < 2 ? "text" : undefined }, text),
    );
    const table = h(
      "table",
      { class: "layers folded", role: "table", "aria-label": "Layers" },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...head)),
      h("tbody", { role: "rowgroup" }, ...this.rows.map(({ element }) => element)),
    );
    this.unfold.addEventListener("click", () => {
      table.classList.remove("folded");
      this.unfold.remove();
      this.rows.find(({ box }) => !box.checked)?.box.focus();
    });
    this.element = h(
      "div",
      {},
      ...(can.length ? [wide(table, can.length), this.unfold] : []),
      ...notes(layers, stored),
    );
  }

  /** On a phone those that are not chosen are hidden until somebody asks for them. Only then: a row that is unticked stays under the finger. */
  private fold(): void {
    const others = this.rows.filter(({ box }) => !box.checked);
    for (const { element, box } of this.rows) element.classList.toggle("aside", !box.checked);
    this.unfold.textContent = `Show ${others.length} more ${others.length === 1 ? "layer" : "layers"}, not chosen`;
    this.unfold.hidden = others.length === 0;
  }

  /** In the order of the table. */
  get chosen(): string[] {
    return this.rows.filter(({ box }) => box.checked).map(({ layer }) => layer.name);
  }

  /** What is chosen for the one is remembered while it is the other's turn. */
  choose(aim: Aim): void {
    if (aim === this.aim) return;
    this.kept.set(this.aim, new Set(this.chosen));
    this.aim = aim;
    const names = this.kept.get(aim)!;
    for (const { box, layer } of this.rows) box.checked = names.has(layer.name);
    this.fold();
  }

  set disabled(disabled: boolean) {
    for (const { box } of this.rows) box.disabled = disabled;
  }

  show({ layers, skipped }: Prediction): void {
    const planned = new Map(layers.map((layer) => [layer.name, layer]));
    const reasons = new Map(skipped.map(({ name, reason }) => [name, reason]));
    for (const { layer, element, bar, after, rank, error } of this.rows) {
      const found = planned.get(layer.name);
      element.classList.toggle("chosen", found !== undefined);
      bar.style.setProperty("--left", String(found ? Math.min(1, found.bytesAfter / layer.bytes) : 1));
      after.textContent = found ? megabytes(found.bytesAfter) : "";
      rank.textContent = found
        ? [found.rank, found.type === layer.dtype.toLowerCase() ? undefined : found.type]
            .filter((text) => text !== undefined)
            .join(", ")
        : "";
      error.textContent = found ? (found.error === undefined ? "…" : number3(found.error)) : "";
      const reason = reasons.get(layer.name);
      if (reason !== undefined) after.textContent = "as it is";
      after.title = reason ?? "";
    }
  }
}

export const number3 = (x: number) => (x === 0 ? "0" : x < 1e-3 ? number(x) : x.toPrecision(3));

function rowOf(layer: LayerSummary, i: number, most: number, all: number, changed: () => void): Row {
  const { name, kind, shape, dtype, bytes, byDefault } = layer;
  const id = `layer-${i}`;
  const box = h("input", { type: "checkbox", id, checked: byDefault });
  box.addEventListener("change", changed);
  const bar = h("span", { class: "bar", "aria-hidden": "true" });
  bar.style.setProperty("--whole", String(bytes / most));
  const cell = (label: string) => h("td", { role: "cell", "data-label": label });
  const [after, rank, error] = ["after", "rank", "error"].map(cell);
  const facts = h(
    "span",
    { class: "quiet facts" },
    `${kind === "other" ? "" : `${kind}, `}${shape.join(" × ")}, ${dtype}`,
  );
  const now = h("td", { role: "cell", "data-label": "now" }, megabytes(bytes));
  now.title = `${percent(bytes / all)} of the file`;
  const element = h(
    "tr",
    { role: "row" },
    h(
      "th",
      { scope: "row", role: "rowheader", class: "text" },
      h("div", { class: "name" }, box, h("label", { for: id }, breakable(name), facts)),
    ),
    h("td", { role: "cell", class: "text bars" }, bar),
    now,
    ...[after, rank, error],
  );
  return { layer, box, element, bar, after, rank, error };
}

/** Long tables scroll by themselves, by keyboard too. */
function wide(table: HTMLElement, rows: number): HTMLElement {
  if (rows <= 16) return table;
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Layers, all of them" }, table);
}

function notes(layers: readonly LayerSummary[], stored: readonly string[]): HTMLElement[] {
  const found: HTMLElement[] = [];
  const others = layers.filter(({ blocked }) => blocked !== undefined);
  const reasons = new Map<string, LayerSummary[]>();
  for (const layer of others) reasons.set(layer.blocked!, [...(reasons.get(layer.blocked!) ?? []), layer]);
  for (const [reason, group] of reasons) {
    const bytes = group.reduce((sum, layer) => sum + layer.bytes, 0);
    const which = group.length > 3 ? `${group.length} tensors` : group.map(({ name }) => name).join(", ");
    found.push(h("p", { class: "quiet" }, `Left as they are, ${megabytes(bytes)}: ${which} (${reason}).`));
  }
  if (stored.length) found.push(h("p", { class: "quiet" }, `Stored as factors already: ${stored.join(", ")}.`));
  return found;
}
