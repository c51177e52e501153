// The page that inspect --html writes: one file that loads nothing else and holds to that by its own Content-Security-Policy, which
// allows the scripts and styles written here, by their hashes, and no request at all.
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { shapeOf } from "../model/model.js";
import { relativeErrors } from "../model/inspect.js";
import type { Inspection, InspectedLayer } from "../model/index.js";
import { escape, standalonePage } from "./html.js";
import type { PageData, PlottedLayer } from "./inspect-page.js";
import {
  blockedByReason,
  copiesOf,
  columns,
  defaultOutcome,
  footnotes,
  inMegabytes,
  inPercent,
  legend,
  listing,
  markOf,
  storedColumns,
  storedLayers,
  type Column,
  type Listing,
} from "./inspect-rows.js";
import { pageStyle } from "./inspect-style.js";
import { version } from "./version.js";

/** The same bytes for the same model: no dates, no random nonce. */
export async function inspectionPage(inspection: Inspection, { all = false } = {}): Promise<string> {
  const [chart, chartStyle, page] = await Promise.all(
    ["uplot.js", "uplot.css", "inspect-page.js"].map((name) => readFile(new URL(name, import.meta.url), "utf8")),
  );
  const scripts = [chart, page].map(inScript);
  const style = `${chartStyle}\n${pageStyle}`;
  const file = escape(basename(inspection.file));
  return standalonePage({
    title: `${file}: layers and spectra`,
    ...{ style, scripts },
    body: `${body(inspection, listing(inspection, all), file)}
<script type="application/json" id="spectra">${inScript(JSON.stringify(pageData(inspection)))}</script>
<script>${scripts[0]}</script>
<script type="module">${scripts[1]}</script>`,
  });
}

function body(inspection: Inspection, list: Listing, file: string): string {
  const { format, bytes, layers } = inspection;
  const plotted = plottedLayers(inspection);
  return `<header>
<h1>${file}</h1>
<p class="quiet">${format}, ${inMegabytes(bytes)} MB, ${layers.length} ${layers.length === 1 ? "tensor" : "tensors"}</p>
<p>${escape(defaultOutcome(inspection))}</p>
</header>
<main>
<section>
<h2>Layers</h2>
${layerTable(inspection, list)}
${footnotes(list.layers)
  .map(({ mark, text }) => `<p class="quiet"><span class="mark">${mark}</span> ${text}</p>`)
  .join("\n")}
</section>
${storedSection(storedLayers(layers))}
${copiesSection(layers)}
${blockedSection(layers)}
${
  plotted.length
    ? `<section>
<h2>Spectra</h2>
<p class="quiet">Relative error: of the best factors of that size in the l_2 norm (SVD). Auto: root of the measure of what <code>--dtype auto</code> would try first there. The dashed line is at keep ${inspection.keep}.</p>
<noscript><p>The plots are drawn by a script of this page; without it, the figures stand in the tables.</p></noscript>
${plotted.map((layer, i) => spectrumOf(layer, i)).join("\n")}
</section>`
    : ""
}
</main>
<footer>Written by loewner ${escape(version)} inspect. This page loads nothing and sends nothing.</footer>`;
}

function layerTable(inspection: Inspection, { layers, remainders }: Listing): string {
  const rows = layers.map((layer) => {
    const cells = columns.map((column) => cellOf(column, column.cell(layer), column.marked ? markOf(layer) : ""));
    return `<tr role="row"${layer.byDefault ? ' class="default"' : ""}>${cells.join("")}</tr>`;
  });
  for (const { name, bytes } of remainders) {
    const values = [name, "", "", "", inMegabytes(bytes), inPercent(bytes / inspection.bytes)];
    rows.push(`<tr role="row">${columns.map((column, i) => cellOf(column, values[i] ?? "")).join("")}</tr>`);
  }
  return wideTable(`${escape(legend(inspection))} Bold: compressed by default.`, columns, rows);
}

function storedSection(layers: ReturnType<typeof storedLayers>): string {
  if (layers.length === 0) return "";
  const rows = layers.map(
    (layer) => `<tr role="row">${storedColumns.map((column) => cellOf(column, column.cell(layer))).join("")}</tr>`,
  );
  const caption = "Proved for each: |(A - left right) x|_p is at most bound times |x|_2, for every x.";
  return `<section>\n<h2>Stored as factors</h2>\n${wideTable(caption, storedColumns, rows)}\n</section>`;
}

type Head = Pick<Column, "head" | "text">;

/** Roles are written out: where a narrow screen shows rows as blocks, browsers would forget that this is a table. */
function wideTable(caption: string, heads: readonly Head[], rows: readonly string[]): string {
  const cells = heads.map((head) => `<th scope="col" role="columnheader"${classOf(head)}>${titleOf(head)}</th>`);
  return `<table class="wide" role="table">
<caption>${caption}</caption>
<thead role="rowgroup"><tr role="row">${cells.join("")}</tr></thead>
<tbody role="rowgroup">
${rows.join("\n")}
</tbody>
</table>`;
}

function cellOf(head: Head, value: string, mark = ""): string {
  const title = titleOf(head);
  if (title === "layer") return `<th scope="row" role="rowheader" class="text">${breakable(value)}</th>`;
  const marked = mark && `<span class="mark">${mark}</span>`;
  const none = value === "" || value === "-";
  return `<td role="cell" data-label="${title}"${classOf(head, none)}>${escape(value)}${marked}</td>`;
}

const titleOf = ({ head }: Head) => escape(head.join(" ").trim());

function classOf({ text }: Head, none = false): string {
  const names = [text && "text", none && "none"].filter(Boolean);
  return names.length ? ` class="${names.join(" ")}"` : "";
}

function blockedSection(layers: readonly InspectedLayer[]): string {
  const groups = blockedByReason(layers);
  if (groups.length === 0) return "";
  const items = groups.map(
    ({ reason, names }) => `<li><strong>${escape(names.join(", "))}</strong>: ${escape(reason)}</li>`,
  );
  return `<section>\n<h2>Cannot be factored</h2>\n<ul>\n${items.join("\n")}\n</ul>\n</section>`;
}

function copiesSection(layers: readonly InspectedLayer[]): string {
  const copies = copiesOf(layers);
  if (copies.length === 0) return "";
  const items = copies.map((copy) => `<li>${escape(copy)}</li>`);
  return `<section>\n<h2>Equal tensors, stored once in any result</h2>\n<ul>\n${items.join("\n")}\n</ul>\n</section>`;
}

type WithSpectrum = InspectedLayer & Required<Pick<InspectedLayer, "spectrum">>;

/** Largest first, as in the table. */
function plottedLayers({ layers }: Inspection): WithSpectrum[] {
  const known = layers.filter((layer): layer is WithSpectrum => layer.spectrum !== undefined);
  return known.sort((a, b) => b.bytes - a.bytes);
}

function spectrumOf({ name, shape, bytes, spectrum }: WithSpectrum, i: number): string {
  const { stableRank, rankAt90, rankAt99, errors, auto } = spectrum;
  const title = escape(name);
  const rows = errors.map(
    ({ keep, rank, error }) => `<tr><th scope="row">${keep}</th><td>${rank}</td><td>${error.toFixed(4)}</td></tr>`,
  );
  const autoRows = auto.map(
    ({ keep, dtype, rank, measure }) =>
      `<tr><th scope="row">${keep}</th><td>${dtype === "transform" || dtype === "trellis" ? `${dtype} codes` : `${dtype}, rank ${rank}`}</td><td>${measure.toFixed(4)}</td></tr>`,
  );
  const figure = (id: string, what: string) =>
    `<figure><figcaption>${what}</figcaption><div class="plot" id="${id}" role="img" aria-label="${what} of ${title}"></div></figure>`;
  return `<section class="layer" aria-labelledby="layer-${i}">
<h3 id="layer-${i}">${breakable(name)}</h3>
<p class="quiet">${shape.join(" x ")}, ${inMegabytes(bytes)} MB, stable rank ${stableRank.toFixed(1)}, rank ${rankAt90} at 90 % energy, ${rankAt99} at 99 %</p>
<div class="plots">
${figure(sigmaId(i), "Singular values")}
${figure(errorId(i), "Error against size")}
</div>
<details>
<summary>Figures</summary>
<table>
<caption>What factors of each size would cost</caption>
<thead><tr><th scope="col">Keep</th><th scope="col">Rank</th><th scope="col">Relative error</th></tr></thead>
<tbody>${rows.join("")}</tbody>
</table>
<table>
<caption>What auto would try first</caption>
<thead><tr><th scope="col">Keep</th><th scope="col">Stored as</th><th scope="col">Root of the measure</th></tr></thead>
<tbody>${autoRows.join("")}</tbody>
</table>
</details>
</section>`;
}

const sigmaId = (i: number) => `singular-values-${i}`;
const errorId = (i: number) => `error-${i}`;
/** A plot shows no more digits. */
const rounded = (x: number) => Number(x.toPrecision(5));

function pageData(inspection: Inspection): PageData {
  const layers = plottedLayers(inspection).map((layer, i): PlottedLayer => {
    const [rows, cols] = shapeOf(layer);
    const { singularValues, auto } = layer.spectrum;
    return {
      sigmaId: sigmaId(i),
      errorId: errorId(i),
      sharePerRank: (rows + cols) / (rows * cols),
      singularValues: singularValues.map(rounded),
      errors: Array.from(relativeErrors(singularValues), rounded),
      auto: auto.map(({ keep, measure }) => ({ keep, measure: rounded(measure) })).reverse(),
    };
  });
  return { keep: inspection.keep, layers };
}

/** Long names break between their words. */
function breakable(name: string): string {
  return escape(name).replace(/[._/](?=\w)/g, "$&<wbr>");
}

/** Nothing may end a script but its own end tag; JSON, strings and regular expressions read "\x3c" as "<". */
function inScript(text: string): string {
  return text.replace(/<(?=\/script|script|!--)/gi, text.startsWith("{") ? "\\u003c" : "\\x3c");
}
