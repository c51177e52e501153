// What is told of one layer that was compressed, with --verbose: every error, the bound, and why it is stored so.
import { quote } from "../formats/json.js";
import type { CompressedLayer } from "../model/index.js";
import { boundOf } from "../model/description.js";
import type { Context } from "./context.js";
import { number, percent, table } from "./text.js";

export function sayLayer(context: Context, layer: CompressedLayer): void {
  const { name, rows, cols, rank, dtype, bytesBefore, bytesAfter, seconds, objective, candidates, certificate, p } =
    layer;
  const whose = layer.rowWeights ? " (rows weighted)" : "";
  // At p = 1 the sum of |entry|^p is l_1 itself.
  const ofP = (text: string) => (p === 1 ? [] : [text]);
  const shape =
    layer.method === "dense"
      ? dtype
      : layer.method === "trellis"
        ? `${layer.bits} bits an entry, ${dtype}`
        : `${layer.method === "transform" ? "components" : "rank"} ${rank}${layer.groups ? ` in ${layer.groups} groups` : ""}, ${dtype}`;
  const share = percent(bytesAfter / bytesBefore);
  context.say(`${name}  ${rows} x ${cols} -> ${shape} (${share} of the layer), ${seconds.toFixed(1)} s`);
  context.say(`  ${layer.explain}`);
  if (layer.rowWeights) context.say(`  rows weighted by ${layer.rowWeights}`);
  if (layer.exactRows?.length) context.say(`  rows nearly exact: ${exactRowsOf(layer, context.options.verbose)}`);
  const line = (label: string, o: typeof objective, bound: number) => [
    `  ${label}`,
    ...ofP(number(o.lp)),
    number(o.l1),
    number(o.l21),
    number(o.l2),
    number(o.worstRow.norm),
    number(bound),
  ];
  const lines = candidates.map((each, i) =>
    line(`${each.method}${i === 0 ? " (chosen)" : ""}`, each.objective, each.certificate.bound),
  );
  // Stored in few bits, the error is another than that of the factors.
  if (!candidates.length || candidates[0].objective.l2 !== objective.l2)
    lines.push(line(`as stored (${dtype})`, objective, certificate.bound));
  context.sayAll(table([["  method", ...ofP(`l_${p}^${p}`), "l_1", "l_2,1", "l_2", "worst row", "bound"], ...lines]));
  // Of M's own axes alone: others leave more than sigma_{k+1}(M), which every rank-k matrix leaves.
  const hasAxesOfM = layer.method === "lewis" || p === 2;
  const better =
    hasAxesOfM && certificate.lower > 0 && candidates.length && candidates[0].certificate.bound === certificate.bound
      ? `; no rank-${rank} matrix is more than ${number(certificate.upper / certificate.lower)} times better`
      : "";
  const bound = number(boundOf(certificate));
  context.say(`  proven: |(A - stored) x|_${p} <= ${bound} |x|_2 for every x${whose}${better}.`);
  context.say("");
}

/** Rows that are named, at most: --verbose names all. */
const mostRows = 12;

/** By number, and by token where tokens are known. */
export function exactRowsOf({ exactRows = [], exactTokens }: CompressedLayer, all = false): string {
  const shown = all ? exactRows : exactRows.slice(0, mostRows);
  const names = shown.map((row, i) => {
    const token = exactTokens?.[i] ?? undefined;
    return token === undefined ? String(row) : `${row} ${quote(token)}`;
  });
  const rest = exactRows.length - shown.length;
  return `${names.join(", ")}${rest ? ` and ${rest} more (--verbose)` : ""}`;
}
