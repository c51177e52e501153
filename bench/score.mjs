// docs/score.svg, the README's picture: size against score of one model, from the figures in docs/score.json.
//
//   node bench/score.mjs
import { readFileSync, writeFileSync } from "node:fs";
import { format } from "prettier";
import { plot } from "./plot.mjs";

const docs = new URL("../docs/", import.meta.url);

/** @param {{ model: string, task: string, series: { name: string, points: { megabytes: number, score: number }[] }[] }} data */
export function scorePicture({ model, task, series }) {
  const lines = series.map(({ name, points }, i) => ({
    name,
    bold: i === 0,
    points: points.map(({ megabytes, score }) => [megabytes, score]),
  }));
  const axes = { x: "size of the file, MB", y: task, between: [86, 87, 0.2] };
  return plot(lines, { title: `${model}: a tenth of the size, the same score`, ...axes });
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const data = readFileSync(new URL("score.json", docs), "utf8");
  writeFileSync(new URL("score.json", docs), await format(data, { parser: "json", printWidth: 120 }));
  writeFileSync(new URL("score.svg", docs), scorePicture(JSON.parse(data)));
}
