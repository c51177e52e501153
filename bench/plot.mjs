// Lines as SVG over logarithmic axes, or an even one upwards, legible on white and on black.

const size = { width: 720, height: 440, left: 64, right: 190, top: 40, bottom: 52 };
/** Okabe and Ito's colours, which people tell apart who see fewer; lighter ones on black. */
const colours = [
  ["#0072b2", "#56b4e9"],
  ["#d55e00", "#ff8c42"],
  ["#595959", "#b8b8b8"],
  ["#008c64", "#2fd6a4"],
  ["#a8528a", "#e59cc9"],
  ["#8a6d00", "#e6c229"],
];

const escape = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
const powers = (low, high) => {
  const exponents = [];
  for (let e = Math.ceil(Math.log10(low) - 1e-9); e <= Math.log10(high) + 1e-9; ++e) exponents.push(e);
  return exponents;
};
/** Where an axis has a line: powers of ten, and 2 and 5 times these where it has hardly any. */
const ticks = (low, high) => {
  const whole = powers(low, high).map((e) => [10 ** e, tick(e)]);
  if (whole.length > 2) return whole;
  const between = powers(low / 10, high).flatMap((e) => [2, 5].map((k) => Number(`${k}e${e}`)));
  return [...whole, ...between.filter((v) => v >= low && v <= high).map((v) => [v, String(v)])];
};
const evenTicks = ([low, high, step]) =>
  Array.from({ length: Math.round((high - low) / step) + 1 }, (_, i) => {
    const value = Number((low + i * step).toPrecision(6));
    return [value, String(value)];
  });
const superscript = (n) => String(n).replace(/./g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
const tick = (e) => (e >= -3 && e <= 2 ? String(Number(`1e${e}`)) : `10${superscript(e)}`);

/**
 * @param series [{ name, points: [[x, y], ...], bold }]: x and y above 0, x growing; `bold` lines are the subject
 * @param between [low, high, step] of an even y axis; without it the axis is logarithmic
 */
export function plot(series, { title, x: xTitle, y: yTitle, between }) {
  const all = series.flatMap(({ points }) => points);
  const [xs, ys] = [0, 1].map((k) => all.map((point) => point[k]));
  const [xLow, xHigh] = [Math.min(...xs), Math.max(...xs)];
  const decades = [10 ** Math.floor(Math.log10(Math.min(...ys))), 10 ** Math.ceil(Math.log10(Math.max(...ys)))];
  const [yLow, yHigh] = between ?? decades;
  const { width, height, left, right, top, bottom } = size;
  const scale = (low, high, from, to) => (v) => from + ((to - from) * Math.log(v / low)) / Math.log(high / low);
  const X = scale(xLow, xHigh, left, width - right);
  const even = (v) => height - bottom + ((top + bottom - height) * (v - yLow)) / (yHigh - yLow);
  const Y = between ? even : scale(yLow, yHigh, height - bottom, top);
  const levels = between ? evenTicks(between) : powers(yLow, yHigh).map((e) => [10 ** e, tick(e)]);
  const r = (v) => Number(v.toFixed(1));

  const grid = [
    ...levels.map(([value, text]) => {
      const y = r(Y(value));
      return `<path class="grid" d="M${left} ${y}H${width - right}"/><text x="${left - 8}" y="${y + 4}" text-anchor="end">${text}</text>`;
    }),
    ...ticks(xLow, xHigh).map(([value, text]) => {
      const x = r(X(value));
      return `<path class="grid" d="M${x} ${top}V${height - bottom}"/><text x="${x}" y="${height - bottom + 18}" text-anchor="middle">${text}</text>`;
    }),
  ];
  const lines = series.map(({ points, bold }, s) => {
    const path = points.map(([x, y], i) => `${i ? "L" : "M"}${r(X(x))} ${r(Y(y))}`).join("");
    const dots = points.map(([x, y]) => `<circle cx="${r(X(x))}" cy="${r(Y(y))}" r="${bold ? 3.5 : 2.5}"/>`).join("");
    return `<g class="s${s}"><path d="${path}" stroke-width="${bold ? 2.5 : 1.5}"/>${dots}</g>`;
  });
  const names = labels(series, X, Y).map(
    ({ s, x, y, atX, atY, name, bold }) =>
      `<g class="s${s}"><path class="lead" d="M${r(atX + 5)} ${r(atY)}L${r(x - 4)} ${r(y)}"/><text x="${r(x)}" y="${r(y + 4)}"${bold ? ' font-weight="600"' : ""}>${escape(name)}</text></g>`,
  );
  const paint = (k) => colours.map((pair, s) => `.s${s}{stroke:${pair[k]};fill:${pair[k]}}`).join("");
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(title)}">
<style>
text{font:12px system-ui,sans-serif;fill:#333;stroke:none}
.title{font-size:14px;font-weight:600}
.grid{stroke:#8884;fill:none}
g path{fill:none;stroke-linejoin:round}
g text{fill:inherit;stroke:#fff;stroke-width:4px;paint-order:stroke;stroke-linejoin:round}
.lead{stroke-width:.75;opacity:.6}
${paint(0)}
@media (prefers-color-scheme:dark){text{fill:#ddd}g text{stroke:#0d1117}${paint(1)}}
</style>
<text class="title" x="${left}" y="20">${escape(title)}</text>
${grid.join("\n")}
${lines.join("\n")}
${names.join("\n")}
<text x="${(left + width - right) / 2}" y="${height - 12}" text-anchor="middle">${escape(xTitle)}</text>
<text transform="translate(16 ${(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">${escape(yTitle)}</text>
</svg>
`;
}

/** Names to the right of the plot, at the height of their line's end where that is free; beside the end of a line that stops short. */
function labels(series, X, Y) {
  const { width, right, top, height, bottom } = size;
  const [edge, step] = [width - right, 16];
  const ends = series.map(({ points, name, bold }, s) => {
    const [atX, atY] = [X(points.at(-1)[0]), Y(points.at(-1)[1])];
    const short = atX < edge - 1;
    return { s, name, bold, atX, atY, short, x: short ? atX + 9 : edge + 14, y: atY };
  });
  const column = ends.filter(({ short }) => !short).sort((a, b) => a.y - b.y);
  for (let i = 0; i < column.length; ++i) column[i].y = Math.max(column[i].y, i ? column[i - 1].y + step : top);
  for (let i = column.length - 1, low = height - bottom; i >= 0; --i, low -= step)
    column[i].y = Math.min(column[i].y, low);
  return ends;
}
