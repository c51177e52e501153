// Plots, in the colours of the page, as wide as their place.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

const height = 240;
const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const short = (x: number) =>
  x === 0 || (x >= 1e-3 && x < 1e5) ? String(Number(x.toPrecision(3))) : x.toExponential(0);

export interface Line {
  readonly label: string;
  /** Name of a colour of the page. */
  readonly colour: "line" | "mark";
  readonly values: readonly (number | null)[];
  readonly dash?: readonly number[];
  /** Steps between edges, and filled. */
  readonly bars?: boolean;
}

export interface PlotOptions {
  readonly x: readonly number[];
  readonly xLabel: string;
  readonly yLabel: string;
  readonly lines: readonly Line[];
  readonly logarithmic?: { readonly x?: boolean; readonly y?: boolean };
  readonly yRange?: readonly [number, number];
  /** What is drawn, for who cannot see it. */
  readonly description: string;
}

/** A place for a plot, which is drawn anew when its data change. */
export class Plot {
  private chart: uPlot | undefined;
  private markAt: number | undefined;

  constructor(private readonly place: HTMLElement) {
    new ResizeObserver(() => this.chart?.setSize({ width: place.clientWidth, height })).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.chart?.redraw());
  }

  draw({ x, xLabel, yLabel, lines, logarithmic = {}, yRange, description }: PlotOptions): void {
    this.clear();
    this.place.setAttribute("role", "img");
    this.place.setAttribute("aria-label", description);
    const hovers = matchMedia("(hover: hover)").matches;
    this.chart = new uPlot(
      {
        width: this.place.clientWidth,
        height,
        legend: { show: lines.length > 1 || hovers, live: hovers },
        scales: {
          x: { time: false, ...(logarithmic.x && { distr: 3 as const }) },
          y: { ...(logarithmic.y && { distr: 3 as const }), ...(yRange && { range: [...yRange] as [number, number] }) },
        },
        axes: [axis(xLabel, 30), axis(yLabel, 58)],
        series: [
          { label: xLabel, value: (_, value) => (value === null ? "-" : short(value)) },
          ...lines.map((line) => seriesOf(line, x.length)),
        ],
        cursor: { y: false, show: hovers },
        hooks: { draw: [(chart) => this.drawMark(chart)] },
      },
      [[...x], ...lines.map(({ values }) => [...values])],
      this.place,
    );
    for (const child of this.place.children) child.setAttribute("aria-hidden", "true");
  }

  /** A dashed line at x; undefined takes it away. */
  mark(x: number | undefined): void {
    this.markAt = x;
    this.chart?.redraw(false);
  }

  clear(): void {
    this.chart?.destroy();
    this.chart = undefined;
    this.place.removeAttribute("role");
    this.place.removeAttribute("aria-label");
  }

  private drawMark({ ctx, bbox, scales, valToPos }: uPlot): void {
    const x = this.markAt;
    if (x === undefined || !(x >= scales.x.min! && x <= scales.x.max!)) return;
    const at = Math.round(valToPos(x, "x", true)) + 0.5;
    ctx.save();
    ctx.strokeStyle = colour("text");
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(at, bbox.top);
    ctx.lineTo(at, bbox.top + bbox.height);
    ctx.stroke();
    ctx.restore();
  }
}

function axis(label: string, size: number): uPlot.Axis {
  const line = { stroke: () => colour("grid"), width: 1 };
  return {
    label,
    size,
    labelSize: 22,
    font: "12px system-ui, sans-serif",
    labelFont: "12px system-ui, sans-serif",
    stroke: () => colour("quiet"),
    grid: line,
    ticks: { ...line, size: 5 },
    values: (_, splits) => splits.map((x) => (x === null ? "" : short(x))),
  };
}

function seriesOf({ label, colour: name, dash, bars }: Line, count: number): uPlot.Series {
  const stroke = () => colour(name);
  return {
    label,
    stroke,
    width: 2,
    dash: dash && [...dash],
    value: (_, x) => (x === null ? "-" : short(x)),
    // Where values are few, each has a point: one alone makes no line.
    points: { show: !bars && count <= 40, size: 5, stroke, fill: stroke },
    ...(bars && { paths: uPlot.paths.stepped!({ align: 1 }), fill: () => `${colour(name)}22` }),
  };
}
