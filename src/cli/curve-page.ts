// Score against bytes as a picture, and as a page of one file that loads nothing: picture, table, and what was measured.
import { basename } from "node:path";
import type { Score } from "../model/evaluate/evaluate.js";
import type { Curve, CurvePoint } from "../model/evaluate/curve.js";
import { metricAt, rangeText, shown } from "./evaluate-report.js";
import { escape, standalonePage } from "./html.js";
import { megabytes, percent } from "./text.js";
import { version } from "./version.js";

/** The part that the command has read: a model's path is its reader's own. */
type Drawn = Pick<Curve, "model" | "bytes" | "scores" | "points" | "task" | "reads" | "examples">;

const size = { width: 760, height: 440, left: 64, right: 120, top: 44, bottom: 52 };
/** Okabe and Ito's colours, which people tell apart who see fewer; lighter ones on black. */
const colours = [
  ...[["#0072b2", "#56b4e9"] as const, ["#d55e00", "#ff8c42"] as const, ["#008c64", "#2fd6a4"] as const],
  ...[["#a8528a", "#e59cc9"] as const, ["#8a6d00", "#e6c229"] as const, ["#595959", "#b8b8b8"] as const],
];

interface Drawing {
  readonly original: Score;
  readonly methods: readonly { name: string; points: readonly { bytes: number; score: Score }[] }[];
}

/** @throws {InvalidInputError} for a metric that was not measured */
function drawingOf({ scores, points }: Drawn, metric: string | undefined): Drawing {
  const at = metricAt(scores, metric);
  const names = [...new Set(points.map(({ method }) => method))];
  const methods = names.map((name) => ({
    name,
    points: points.flatMap((point) => pointsOf(point, name, at)).sort((a, b) => a.bytes - b.bytes),
  }));
  return { original: scores[at], methods: methods.filter(({ points: own }) => own.length > 0) };
}

function pointsOf({ method, bytes, scores }: CurvePoint, name: string, at: number) {
  return method === name && bytes !== undefined && scores && !Number.isNaN(scores[at].value)
    ? [{ bytes, score: scores[at] }]
    : [];
}

/** SVG, legible on white and on black. */
export function curvePicture(curve: Drawn, metric?: string): string {
  const { original, methods } = drawingOf(curve, metric);
  const { width, height, left, right, top, bottom } = size;
  const all = methods.flatMap(({ points }) => points);
  const [least, most] = [
    Math.min(...all.map(({ bytes }) => bytes)),
    Math.max(...all.map(({ bytes }) => bytes), curve.bytes),
  ];
  const [low, high] = spanOf([original, ...all.map(({ score }) => score)]);
  const round = (v: number) => Number(v.toFixed(1));
  const X = (bytes: number) =>
    round(left + ((width - right - left) * Math.log(bytes / least)) / Math.log(most / least || 2));
  const Y = (value: number) => round(height - bottom - ((height - bottom - top) * (value - low)) / (high - low || 1));
  const inside = (value: number) => Math.min(high, Math.max(low, value));
  const grid = [
    ...evenTicks(low, high).map(
      (value) =>
        `<path class="grid" d="M${left} ${Y(value)}H${width - right}"/><text x="${left - 8}" y="${Y(value) + 4}" text-anchor="end">${label(original, value, high - low)}</text>`,
    ),
    ...sizeTicks(least, most).map(
      (bytes) =>
        `<path class="grid" d="M${X(bytes)} ${top}V${height - bottom}"/><text x="${X(bytes)}" y="${height - bottom + 18}" text-anchor="middle">${bytes / 1e6}</text>`,
    ),
  ];
  const lines = methods.map(({ name, points }, i) => {
    const path = points.map(({ bytes, score }, j) => `${j ? "L" : "M"}${X(bytes)} ${Y(score.value)}`).join("");
    const marks = points.map(({ bytes, score: { value, interval } }) => {
      const bar =
        interval && !Number.isNaN(interval.low)
          ? `<path class="bar" d="M${X(bytes)} ${Y(inside(interval.low))}V${Y(inside(interval.high))}"/>`
          : "";
      return `${bar}<circle cx="${X(bytes)}" cy="${Y(value)}" r="3"/>`;
    });
    return `<g class="s${i}"><title>${escape(name)}</title><path class="line" d="${path}"/>${marks.join("")}</g>`;
  });
  const names = namesAt(
    methods.map(({ name, points }) => ({ name, y: Y(points.at(-1)!.score.value), x: X(points.at(-1)!.bytes) })),
  );
  const title = `${escape(basename(curve.model))}: ${escape(curve.task)}, ${escape(original.metric)} against size`;
  const styles = colours.map(([light, dark], i) => [`.s${i}{--c:${light}}`, `.s${i}{--c:${dark}}`] as const);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">
<style>
text{font:13px system-ui,sans-serif;fill:#333}.title{font-size:15px;font-weight:600}
.grid{stroke:#ddd;fill:none}.line{stroke:var(--c);fill:none;stroke-width:2}.bar{stroke:var(--c);opacity:.4}circle{fill:var(--c)}text.name{fill:var(--c);font-weight:600;paint-order:stroke;stroke:#fff;stroke-width:4px}
.original{stroke:#333;stroke-dasharray:5 4;fill:none}
${styles.map(([light]) => light).join("")}
@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}.original{stroke:#ddd}text.name{stroke:#121212}${styles.map(([, dark]) => dark).join("")}}
</style>
<text class="title" x="${left}" y="22">${title}</text>
${grid.join("\n")}
<path class="original" d="M${left} ${Y(original.value)}H${width - right}"/><text x="${width - right}" y="${Y(original.value) - 6}" text-anchor="end">as it is: ${shown(original, original.value)} at ${megabytes(curve.bytes)}</text>
${lines.join("\n")}
${names.map(({ name, x, y }, i) => `<text class="name s${i}" x="${x + 8}" y="${y + 4}">${escape(name)}</text>`).join("\n")}
<text x="${(left + width - right) / 2}" y="${height - 10}" text-anchor="middle">size in MB</text>
</svg>
`;
}

/** Of all values, and of their intervals as far as these do not take more than half of it. */
function spanOf(scores: readonly Score[]): [number, number] {
  const values = scores.map(({ value }) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max((high - low) / 2, 1e-3);
  const lows = scores.map(({ interval, value }) => (interval && !Number.isNaN(interval.low) ? interval.low : value));
  const highs = scores.map(({ interval, value }) => (interval && !Number.isNaN(interval.high) ? interval.high : value));
  const [bottom, top] = [Math.max(low - room, Math.min(...lows)), Math.min(high + room, Math.max(...highs))];
  return top > bottom ? [bottom, top] : [low - room, high + room];
}

/** Four to ten. */
function evenTicks(low: number, high: number): number[] {
  const widest = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(widest));
  const step = [5, 2, 1].map((k) => k * power).find((each) => each <= widest) ?? power;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
}

/** 1, 2, 5, 10, 20, ... MB, or more of them where these are few. */
function sizeTicks(least: number, most: number): number[] {
  const ticksOf = (steps: readonly number[]) => {
    const ticks: number[] = [];
    for (let e = Math.floor(Math.log10(least)); e <= Math.log10(most); ++e)
      for (const k of steps) if (k * 10 ** e >= least && k * 10 ** e <= most) ticks.push(k * 10 ** e);
    return ticks;
  };
  const few = ticksOf([1, 2, 5]);
  return few.length > 3 ? few : ticksOf([1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8]);
}

function label({ better }: Score, value: number, span: number): string {
  const scale = better === "higher" ? 100 : 1;
  return (scale * value).toFixed(Math.max(0, 1 - Math.floor(Math.log10(scale * span))));
}

/** Moved apart, so that no two names lie on each other. */
function namesAt<T extends { x: number; y: number }>(names: readonly T[]): T[] {
  const moved = names.map((name) => ({ ...name }));
  const order = [...moved].sort((a, b) => a.y - b.y);
  for (let i = 1; i < order.length; ++i)
    if (Math.abs(order[i].x - order[i - 1].x) < 80) order[i].y = Math.max(order[i].y, order[i - 1].y + 15);
  return moved;
}

/** The same bytes for the same curve. */
export function curvePage(curve: Drawn, metric?: string): string {
  const { original } = drawingOf(curve, metric);
  const style = `:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:.25rem .75rem;text-align:right;border-bottom:1px solid #8884}
th:first-child,td:first-child{text-align:left}svg{width:100%;height:auto}div{overflow-x:auto}.quiet{opacity:.75}`;
  const picture = curvePicture(curve, metric);
  const inner = /<style>([^]*?)<\/style>/.exec(picture)![1];
  const file = escape(basename(curve.model));
  const heads = [
    "method",
    "keep",
    "size",
    ...curve.scores.flatMap(({ metric: name }, i) => (i === 0 ? [name, "difference", "95 %"] : [name])),
  ];
  const rows = [
    ["as it is", "", megabytes(curve.bytes), ...cells(curve.scores)],
    ...curve.points.map(({ method, keep, bytes, scores, reason = "" }) => [
      method,
      percent(keep),
      ...(scores && bytes !== undefined ? [megabytes(bytes), ...cells(scores)] : [reason]),
    ]),
  ];
  return standalonePage({
    title: `${file}: what compressing costs`,
    ...{ style, styles: [inner] },
    body: `<h1>${file}</h1>
<p>${escape(curve.task)}, ${curve.examples} examples; read: ${escape(curve.reads)}. As it is: ${escape(original.metric)} ${shown(original, original.value)} at ${megabytes(curve.bytes)}.</p>
${picture}
<p class="quiet">Bars and ranges: 95 % of scores on examples drawn anew; those of differences are of the same examples under both models.</p>
<div><table>
<thead><tr>${heads.map((head) => `<th scope="col">${escape(head)}</th>`).join("")}</tr></thead>
<tbody>
${rows.map((row) => `<tr>${row.map((cell, i) => `<td${row.length < heads.length && i === row.length - 1 ? ` colspan="${heads.length - i}"` : ""}>${escape(cell)}</td>`).join("")}</tr>`).join("\n")}
</tbody>
</table></div>
<p class="quiet">Made by loewner ${version}.</p>`,
  });
}

function cells(scores: readonly Score[]): string[] {
  return scores.flatMap((score, i) => {
    if (i > 0) return [shown(score, score.value)];
    const { value, interval } = score.difference ?? {};
    const range = rangeText(score, interval, "");
    return [shown(score, score.value), value === undefined ? "" : shown(score, value), range];
  });
}
