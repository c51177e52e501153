// What compress tells, to people and to programs.
import type { CompressedLayer, CompressedModel, Model, Plan, ShrunkModel } from "../model/index.js";
import { InvalidInputError } from "../errors.js";
import { quote } from "../formats/json.js";
import { boundOf } from "../model/description.js";
import type { Target } from "../model/fit.js";
import { type Layer, shapeOf } from "../model/model.js";
import { targetBytes } from "../model/sizes.js";
import type { Context } from "./context.js";
import { compressedDocument } from "./documents.js";
import { megabytes, number, percent, table } from "./text.js";

export function reportPlan(context: Context, model: Model, { chosen, skipped, bytesAfter }: Plan): void {
  context.endProgress();
  const layers = chosen.flatMap(({ layer, targets, because }) =>
    targets.map((target) => {
      const [rows, cols] = shapeOf(layer);
      const after = targetBytes(rows, cols, target);
      return {
        ...{ name: layer.name, kind: layer.kind, shape: [rows, cols], dtype: target.type },
        ...sizeOf(target, rows, cols),
        ...{ bytesBefore: layer.bytes, bytesAfter: after, explain: because },
      };
    }),
  );
  const bytesBefore = model.byteLength;
  context.json({ input: model.name, dryRun: true, bytesBefore, bytesAfter, layers, skipped });
  const rows = layers.map((l) => [
    l.name,
    l.shape.join(" x "),
    l.dense ? "full" : String(l.rank ?? "-"),
    l.dtype,
    megabytes(l.bytesBefore),
    megabytes(l.bytesAfter),
  ]);
  if (rows.length) context.sayAll(table([["layer", "shape", "rank", "dtype", "before", "after"], ...rows]));
  if (chosen.some(({ targets }) => targets.length > 1))
    context.say("Where a layer stands more than once, the one that errs least will be taken.");
  sayTotals(context, bytesBefore, bytesAfter, "would be ");
  saySkipped(context, model, skipped);
  context.say("Dry run: nothing was written.");
}

/** Of transform codes nothing but their bytes is known before the rows are. */
function sizeOf(target: Target, rows: number, cols: number): { rank?: number; keep?: number; dense: boolean } {
  if (target.type === "transform") return { dense: false };
  if (target.type === "trellis") return { rank: cols, keep: 1, dense: true };
  const { rank, dense = false } = target;
  return { rank, keep: dense ? 1 : (rank * (rows + cols)) / (rows * cols), dense };
}

/** @param checked what --verify found */
export function reportJson(
  context: Context,
  input: string,
  output: string,
  result: CompressedModel & Partial<Pick<ShrunkModel, "agreement" | "forecast" | "asked" | "notes" | "halves">>,
  model: Model,
  checked: { report: object; failure?: Error } | undefined,
): void {
  const { layers, skipped, bytesBefore, bytesAfter, seconds, seed, resumed, notes } = result;
  // JSON has no place for those that are undefined.
  const { agreement, forecast, asked, halves } = result;
  const joined = joinedTensors(model);
  const report = {
    ...{ input, output, bytesBefore, bytesAfter, layers: layers.map(compressedDocument), skipped },
    ...{ seconds, seed },
    ...(joined.length && { joined }),
    ...(resumed.length && { resumed }),
    ...{ agreement, forecast, asked, halves },
    ...(notes?.length && { notes }),
  };
  context.json(checked ? { ...report, verification: checked.report } : report, checked?.failure);
}

export function reportLayers(context: Context, model: Model, output: string, result: CompressedModel): void {
  const { layers, skipped, bytesBefore, bytesAfter, seconds, resumed, anew } = result;
  if (layers.length > mostLayers && !context.options.verbose) sayShortly(context, layers);
  else for (const layer of layers) sayLayer(context, layer);
  if (resumed.length) context.say(`Taken up, finished by an earlier run: ${shortList(resumed)}`);
  for (const { name, reason } of anew) context.say(`${name} was computed anew: ${reason}`);
  const joined = joinedTensors(model);
  if (joined.length)
    context.say(
      `Equal tensors are stored once: ${shortList(joined.map(({ name, of, transposed }) => `${name} (${transposed ? "the transpose of " : ""}${of})`))}`,
    );
  if (layers.length === 0) context.say("No layer was compressed: what was written is the model without these copies.");
  sayTotals(context, bytesBefore, bytesAfter, "");
  const before = [...model.described.keys()].map((name) => ({ name, reason: "stored as factors already" }));
  saySkipped(context, model, [...skipped, ...before]);
  context.say(`Written: ${output}  (${seconds.toFixed(1)} s)`);
}

/** Of more, a line each: --verbose says all. */
const mostLayers = 10;

function sayShortly(context: Context, layers: readonly CompressedLayer[]): void {
  const lines = layers.map(({ name, rows, cols, dtype, bits, rank, bytesBefore, bytesAfter }) => [
    ...[name, `${rows} x ${cols}`],
    bits ? `${bits} bits` : dtype === "transform" ? "transform codes" : `rank ${rank}, ${dtype}`,
    ...[megabytes(bytesBefore), megabytes(bytesAfter)],
  ]);
  context.sayAll(table([["layer", "shape", "stored as", "before", "after"], ...lines], [0, 2]));
  context.say("");
}

function sayLayer(context: Context, layer: CompressedLayer): void {
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
        : `${layer.method === "transform" ? "components" : "rank"} ${rank}, ${dtype}`;
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
function exactRowsOf({ exactRows = [], exactTokens }: CompressedLayer, all = false): string {
  const shown = all ? exactRows : exactRows.slice(0, mostRows);
  const names = shown.map((row, i) => {
    const token = exactTokens?.[i] ?? undefined;
    return token === undefined ? String(row) : `${row} ${quote(token)}`;
  });
  const rest = exactRows.length - shown.length;
  return `${names.join(", ")}${rest ? ` and ${rest} more (--verbose)` : ""}`;
}

function sayTotals(context: Context, before: number, after: number, tense: string): void {
  context.say(
    `${megabytes(before)} -> ${megabytes(after)}: ${megabytes(before - after)} (${percent(1 - after / before)}) ${tense}removed, ${percent(after / before)} ${tense}kept`,
  );
}

/** Tensors that hold what another holds: a result has none of them. */
export function joinedTensors({ layers }: Model): { name: string; of: string; transposed: boolean; bytes: number }[] {
  return layers.flatMap(({ name: of, copies = [] }) =>
    copies.map(({ name, transposed, bytes }) => ({ name, of, transposed, bytes })),
  );
}

/** For a run that would write the model as it was. */
export function nothingDone(
  { name, layers, described }: Model,
  skipped: CompressedModel["skipped"],
): InvalidInputError {
  const size = new Map(layers.map((layer) => [layer.name, layer.bytes]));
  const largest = [...skipped].sort((a, b) => (size.get(b.name) ?? 0) - (size.get(a.name) ?? 0)).slice(0, 3);
  const stored = described.size ? [`${shortList([...described.keys()])}: stored as factors already`] : [];
  const reasons = [...largest.map((each) => `${each.name}: ${each.reason}`), ...stored];
  const rest = skipped.length > largest.length ? `; and ${skipped.length - largest.length} more` : "";
  const why = reasons.length ? ` ${reasons.join("; ")}${rest}.` : " It has no weight of two dimensions or more.";
  return new InvalidInputError(
    `Nothing of ${name} was compressed, and nothing was written.${why} "loewner inspect" lists what there is.`,
    { file: name },
  );
}

function saySkipped(context: Context, model: Model, skipped: readonly { name: string; reason: string }[]): void {
  if (skipped.length === 0) return;
  const layers = new Map(model.layers.map((layer) => [layer.name, layer]));
  const reasons = new Map<string, string[]>();
  for (const { name, reason } of skipped) {
    const layer = layers.get(name);
    const isItself = layer?.blocked === reason || (layer?.minor !== undefined && reason.startsWith(layer.minor));
    reasons.set(reason, [...(reasons.get(reason) ?? []), isItself ? `${name} (${whatItIs(layer)})` : name]);
  }
  context.say("Left alone:");
  for (const [reason, names] of reasons) {
    context.say(`  ${shortList(names)}: ${reason}`);
  }
}

/** Shape and readers of a tensor that stays for what it is. */
function whatItIs({ shape, dims = shape, readers = [] }: Layer): string {
  const size = dims.join(" x ") || "scalar";
  return readers.length > 0 ? `${size}, read by ${shortList(readers)}` : size;
}

function shortList(names: readonly string[]): string {
  return names.length > 4 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
}
