// The script of the page that inspect --html writes: draws the spectra. It runs in the reader's browser, beside uPlot, and is
// put into the page as it is compiled: so it imports nothing but types.
import type Chart from "uplot";

/** What the page holds as JSON, under the id "spectra". */
export interface PageData {
  keep: number;
  layers: readonly PlottedLayer[];
}

export interface PlottedLayer {
  /** Ids of the elements that take the two plots. */
  sigmaId: string;
  errorId: string;
  /** Share of the layer that one rank takes. */
  sharePerRank: number;
  singularValues: readonly number[];
  /** Relative error at rank 0, 1, ... */
  errors: readonly number[];
  /** Shares of the layer, rising, and what auto would lose there. */
  auto: readonly { keep: number; measure: number }[];
}

declare const uPlot: typeof Chart;

const height = 240;
const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const charts: Chart[] = [];

function axis(label: string, size?: number, values?: Chart.Axis.Values): Chart.Axis {
  const line = { stroke: () => colour("grid"), width: 1 };
  return {
    label,
    labelSize: 22,
    font: "12px system-ui, sans-serif",
    labelFont: "12px system-ui, sans-serif",
    stroke: () => colour("quiet"),
    grid: line,
    ticks: { ...line, size: 5 },
    ...(size && { size }),
    ...(values && { values }),
  };
}

/** Where values are few, each has a point: one alone makes no line. */
function line(label: string, count: number, value: Chart.Series.Value, name = "line"): Chart.Series {
  const stroke = () => colour(name);
  return { label, value, stroke, width: 2, points: { show: count <= 40, size: 6, stroke, fill: stroke } };
}

/** A dashed line up from x, where the axis reaches it. */
function mark(x: number): Chart.Plugin {
  const draw = ({ ctx, bbox, scales, valToPos }: Chart) => {
    if (!(x >= scales.x.min! && x <= scales.x.max!)) return;
    const at = Math.round(valToPos(x, "x", true)) + 0.5;
    ctx.save();
    ctx.strokeStyle = colour("mark");
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(at, bbox.top);
    ctx.lineTo(at, bbox.top + bbox.height);
    ctx.stroke();
    ctx.restore();
  };
  return { hooks: { draw } };
}

function plot(id: string, data: Chart.AlignedData, options: Omit<Chart.Options, "width" | "height">): void {
  const place = document.getElementById(id)!;
  // Without a pointer that hovers there is nothing to read off.
  const legend = { show: matchMedia("(hover: hover)").matches };
  const chart = new uPlot({ ...options, legend, width: place.clientWidth, height }, data, place);
  // The figures are in the table below; a reader of the screen is told by the place's label what is drawn.
  for (const child of place.children) child.setAttribute("aria-hidden", "true");
  charts.push(chart);
  new ResizeObserver(() => chart.setSize({ width: place.clientWidth, height })).observe(place);
}

const short = (x: number) => (x >= 1e-3 && x < 1e5 ? String(Number(x.toPrecision(3))) : x.toExponential(0));

function plotSigma({ sigmaId, singularValues }: PlottedLayer): void {
  // What is below 1e-8 of the first is rounding, and zero has no logarithm.
  const least = 1e-8 * singularValues[0];
  const values = singularValues.map((x) => (x > least ? x : null));
  plot(sigmaId, [values.map((_, i) => i + 1), values], {
    scales: { x: { time: false }, y: { distr: 3 } },
    axes: [
      axis("index", 30),
      axis("singular value", 62, (_, splits) => splits.map((x) => (x === null ? "" : short(x)))),
    ],
    series: [
      { label: "index", value: (_, x) => (x === null ? "-" : String(x)) },
      line("singular value", values.length, (_, x) => (x === null ? "-" : x.toPrecision(4))),
    ],
    cursor: { y: false },
  });
}

function plotError({ errorId, sharePerRank, errors, auto }: PlottedLayer, keep: number): void {
  // Factors larger than the layer itself are of no use.
  const most = Math.min(errors.length - 1, Math.floor(1 / sharePerRank));
  const points = [
    ...errors.slice(0, most + 1).map((error, rank) => ({ size: 100 * rank * sharePerRank, error, measure: null })),
    ...auto.map(({ keep, measure }) => ({ size: 100 * keep, error: null, measure })),
  ].sort((a, b) => a.size - b.size);
  const shown: Chart.Series.Value = (_, x) => (x === null ? "-" : x.toFixed(3));
  plot(
    errorId,
    [points.map(({ size }) => size), points.map(({ error }) => error), points.map(({ measure }) => measure)],
    {
      scales: { x: { time: false, range: [0, 100] }, y: { range: [0, 1] } },
      axes: [axis("% of the layer's size", 30), axis("relative error", 50)],
      series: [
        {
          label: "size",
          value: (_, x) => (x === null ? "-" : `${x.toFixed(1)} %, rank ${Math.round(x / 100 / sharePerRank)}`),
        },
        { ...line("factors", most + 1, shown), spanGaps: true },
        { ...line("auto", auto.length, shown, "mark"), spanGaps: true },
      ],
      cursor: { y: false },
      plugins: [mark(100 * keep)],
    },
  );
}

const { keep, layers } = JSON.parse(document.getElementById("spectra")!.textContent!) as PageData;
const drawn = new Map(layers.map((layer) => [layer.sigmaId, layer]));
// A model may have hundreds: each is drawn when it comes into view.
const watcher = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      const layer = drawn.get(target.id)!;
      plotSigma(layer);
      plotError(layer, keep);
    }
  },
  { rootMargin: "600px" },
);
for (const { sigmaId } of layers) watcher.observe(document.getElementById(sigmaId)!);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const chart of charts) chart.redraw();
});
