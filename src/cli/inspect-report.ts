// What inspect tells people in a terminal.
import { printable } from "../errors.js";
import type { Inspection } from "../model/index.js";
import {
  blockedByReason,
  columns,
  copiesOf,
  defaultOutcome,
  footnotes,
  inMegabytes,
  inPercent,
  legend,
  listing,
  markOf,
  storedColumns,
  storedLayers,
} from "./inspect-rows.js";
import { shortenNames } from "./shorten.js";
import { table } from "./text.js";

export interface ReportOptions {
  /** Small tensors too, one by one. Default false. */
  all?: boolean;
  /** Width of the terminal: names are shortened to fit, to no less than 16 characters. Default: any width. */
  width?: number;
}

const leastName = 16;
const widestText = 100;

/** Printable lines: names in them are escaped. */
export function inspectionReport(
  inspection: Inspection,
  { all = false, width = Infinity }: ReportOptions = {},
): string {
  const { file, format, bytes, layers } = inspection;
  const stored = storedLayers(layers);
  const blocked = blockedByReason(layers);
  const copies = copiesOf(layers);
  const line = (text: string, hang?: string) => wrap(printable(text), Math.min(width, widestText), hang);
  return [
    printable(
      `${file}: ${format}, ${inMegabytes(bytes)} MB, ${layers.length} ${layers.length === 1 ? "tensor" : "tensors"}`,
    ),
    "",
    ...mainTable(inspection, all, width),
    ...footnotes(layers).flatMap(({ mark, text }) => line(`${mark.padStart(3)} ${text}`, "    ")),
    "",
    ...line(legend(inspection)),
    ...(stored.length
      ? ["", "Stored as factors, |(A - left right) x|_p <= bound |x|_2:", ...storedTable(stored, width)]
      : []),
    ...(blocked.length ? ["", "Cannot be factored:"] : []),
    ...blocked.flatMap(({ reason, names }) => line(`  ${some(names, all)}: ${reason}`, "    ")),
    ...(copies.length ? ["", ...line(`Equal tensors, stored once in any result: ${some(copies, all)}`, "  ")] : []),
    "",
    ...line(defaultOutcome(inspection), "  "),
  ].join("\n");
}

function mainTable(inspection: Inspection, all: boolean, width: number): string[] {
  const { layers, remainders } = listing(inspection, all);
  const size = columns.findIndex(({ marked }) => marked);
  const cells = [0, 1].map((line) => columns.map(({ head }) => head[line]));
  for (const layer of layers) cells.push(columns.map(({ cell }) => printable(cell(layer))));
  for (const { name, bytes } of remainders) {
    const row = columns.map(() => "");
    row[0] = name;
    row[size] = inMegabytes(bytes);
    row[size + 1] = inPercent(bytes / inspection.bytes);
    cells.push(row);
  }
  const left = textColumns(columns);
  if (layers.some(({ exceeds }) => exceeds)) {
    cells.forEach((row, i) => row.splice(size + 1, 0, layers[i - 2] ? markOf(layers[i - 2]) : ""));
    left.push(size + 1);
  }
  return table(fitNames(cells, layers.length, width), left);
}

/** The names of `count` layers, which follow two lines of heads, shortened until all columns fit into `width`. */
function fitNames(cells: string[][], count: number, width: number): string[][] {
  const others = cells[0].slice(1).map((_, c) => Math.max(...cells.map((row) => row[c + 1].length)) + 2);
  const room = Math.max(leastName, width - others.reduce((sum, each) => sum + each, 0));
  const names = cells.slice(2, 2 + count).map(([name]) => name);
  const short = shortenNames(names, room);
  return cells.map((row, i) => (short[i - 2] === undefined ? row : [short[i - 2], ...row.slice(1)]));
}

function storedTable(layers: ReturnType<typeof storedLayers>, width: number): string[] {
  const heads = [0, 1].map((line) => storedColumns.map(({ head }) => head[line]));
  const rows = layers.map((layer) => storedColumns.map(({ cell }) => printable(cell(layer))));
  return table(fitNames([...heads, ...rows], rows.length, width), textColumns(storedColumns));
}

const textColumns = (list: readonly { text?: true }[]) => list.flatMap(({ text }, i) => (text ? [i] : []));

function some(names: readonly string[], all: boolean): string {
  return all || names.length <= 4 ? names.join(", ") : `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;
}

/** Broken between words. Further lines are set in by `hang`: words of a name must not begin a line. */
function wrap(text: string, width: number, hang = ""): string[] {
  const indent = /^ */.exec(text)![0];
  const [first, ...words] = text.trim().split(" ");
  const lines = [indent + first];
  for (const word of words) {
    const longer = `${lines[lines.length - 1]} ${word}`;
    if (longer.length <= width) lines[lines.length - 1] = longer;
    else lines.push(hang + word);
  }
  return lines;
}
