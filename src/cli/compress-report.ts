// What compress tells, to people and to programs.
import type { CompressedLayer, CompressedModel, Model, Plan, ShrunkModel } from "../model/index.js";
import { InvalidInputError } from "../errors.js";
import type { Target } from "../model/fit.js";
import { type Layer, shapeOf } from "../model/model.js";
import { targetBytes } from "../model/sizes.js";
import type { Context } from "./context.js";
import { compressedDocument } from "./documents.js";
import { exactRowsOf, sayLayer } from "./layer-report.js";
import { answersOf } from "./outcome.js";
import { megabytes, percent, table } from "./text.js";

export function reportPlan(
  context: Context,
  model: Model,
  { chosen, skipped, bytesAfter, forecast }: Plan & { forecast?: number },
): void {
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
  context.json({ input: model.name, dryRun: true, bytesBefore, bytesAfter, layers, skipped, forecast });
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
  saySkipped(context, model, skipped);
  const answers = forecast === undefined ? "" : `; ${answersOf({ forecast })}`;
  context.say(
    `${sizesOf({ bytesBefore, bytesAfter })}${answers}: what would come of it. Dry run: nothing was written.`,
  );
}

/** Of transform codes nothing but their bytes is known before the rows are. */
function sizeOf(target: Target, rows: number, cols: number): { rank?: number; keep?: number; dense: boolean } {
  if (target.type === "transform") return { dense: false };
  if (target.type === "trellis") return { rank: cols, keep: 1, dense: true };
  const { rank, dense = false, groups = 1 } = target;
  return { rank, keep: dense ? 1 : (rank * (rows + groups * cols)) / (rows * cols), dense };
}

/** @param checked what --verify found */
export function reportJson(
  context: Context,
  input: string,
  output: string,
  result: CompressedModel & Partial<Pick<ShrunkModel, "agreement" | "forecast" | "asked" | "notes" | "halves">>,
  checked: { report: object; failure?: Error } | undefined,
  joined: readonly Joined[],
): void {
  const { layers, skipped, bytesBefore, bytesAfter, seconds, seed, resumed, notes } = result;
  // JSON has no place for those that are undefined.
  const { agreement, forecast, asked, halves } = result;
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

/** What came of each layer; all there is to say of it with --verbose. */
export function reportLayers(context: Context, model: Model, result: CompressedModel, joined: readonly Joined[]): void {
  const { layers, skipped, resumed, anew } = result;
  if (context.options.verbose) for (const layer of layers) sayLayer(context, layer);
  else if (layers.length) sayShortly(context, layers);
  if (resumed.length) context.say(`Taken up, finished by an earlier run: ${shortList(resumed)}`);
  for (const { name, reason } of anew) context.say(`${name} was computed anew: ${reason}`);
  if (joined.length)
    context.say(
      `Equal tensors are stored once: ${shortList(joined.map(({ name, of, transposed }) => `${name} (${transposed ? "the transpose of " : ""}${of})`))}`,
    );
  if (layers.length === 0) context.say("No layer was compressed: what was written is the model without these copies.");
  const before = [...model.described.keys()].map((name) => ({ name, reason: "compressed by loewner before" }));
  saySkipped(context, model, [...skipped, ...before]);
}

/** Lines for layers, at most: --verbose says all. */
const mostLayers = 10;

/** The largest layers, in the order of the file. */
function sayShortly(context: Context, layers: readonly CompressedLayer[]): void {
  const largest = new Set([...layers].sort((a, b) => b.bytesBefore - a.bytesBefore).slice(0, mostLayers));
  const shown = layers.filter((layer) => largest.has(layer));
  const lines = shown.map((layer) => [
    ...[layer.name, `${layer.rows} x ${layer.cols}`, storedAs(layer)],
    ...[megabytes(layer.bytesBefore), megabytes(layer.bytesAfter)],
    layer.relativeError === undefined ? "" : percent(layer.relativeError),
  ]);
  const head = ["layer", "shape", "stored as", "before", "after", "error"];
  const isKnown = shown.some(({ relativeError }) => relativeError !== undefined);
  context.sayAll(
    table(
      [head, ...lines].map((line) => (isKnown ? line : line.slice(0, -1))),
      [0, 2],
    ),
  );
  const rest = layers.length - shown.length;
  if (rest) context.say(`and ${rest} smaller ${rest === 1 ? "layer" : "layers"} (--verbose lists all)`);
  for (const layer of shown)
    if (layer.exactRows?.length) context.say(`${layer.name}: rows nearly exact: ${exactRowsOf(layer)}`);
  context.say("");
}

function storedAs({ bits, dtype, rank, groups, method, exactRows }: CompressedLayer): string {
  if (bits) return `${bits} bits`;
  if (dtype === "transform") return exactRows?.length ? `codes, ${exactRows.length} rows exact` : "codes";
  return method === "dense" ? dtype : `rank ${rank}${groups ? ` in ${groups} groups` : ""}, ${dtype}`;
}

/** Frobenius norm of all errors beside that of what is compressed; undefined where it is not known of each layer. */
export function relativeErrorOf(layers: readonly CompressedLayer[]): number | undefined {
  let [error, size] = [0, 0];
  for (const { objective, relativeError } of layers) {
    if (relativeError === undefined) return undefined;
    if (relativeError === 0) continue;
    error += objective.l2 ** 2;
    size += (objective.l2 / relativeError) ** 2;
  }
  return size > 0 ? Math.sqrt(error / size) : 0;
}

/** "90.36 MB -> 12.91 MB, 85.7 % smaller" */
export function sizesOf({ bytesBefore, bytesAfter }: { bytesBefore: number; bytesAfter: number }): string {
  const change = 1 - bytesAfter / bytesBefore;
  return `${megabytes(bytesBefore)} -> ${megabytes(bytesAfter)}, ${percent(Math.abs(change))} ${change < 0 ? "larger" : "smaller"}`;
}

/** A tensor that holds what another holds: a result has none of them. */
export interface Joined {
  readonly name: string;
  readonly of: string;
  readonly transposed: boolean;
  readonly bytes: number;
}

/** Copies of layers. */
export function joinedLayers({ layers }: Pick<Model, "layers">): Joined[] {
  return layers.flatMap(({ name: of, copies = [] }) =>
    copies.map(({ name, transposed, bytes }) => ({ name, of, transposed, bytes })),
  );
}

/** Of vectors and masks too. */
export async function joinedTensors(model: Model): Promise<Joined[]> {
  const constants = (await model.equalConstants?.()) ?? [];
  return [...joinedLayers(model), ...constants.map((each) => ({ ...each, transposed: false }))];
}

/** Of a model that loewner has made: the layers that stay as they are. */
export function compressedBefore({ name, described }: Model): string | undefined {
  const { size } = described;
  if (size === 0) return undefined;
  return `${name} was compressed by loewner before: ${size === 1 ? "one layer stays as it is" : `${size} layers stay as they are`}. For another size or quality start from the original, which loses less.`;
}

/** For a run that would write the model as it was. */
export function nothingDone(model: Model, skipped: CompressedModel["skipped"]): InvalidInputError {
  const { name, layers } = model;
  const before = compressedBefore(model);
  if (before !== undefined)
    return new InvalidInputError(`Nothing was written: ${before} "loewner inspect" lists what there is.`, {
      file: name,
    });
  const size = new Map(layers.map((layer) => [layer.name, layer.bytes]));
  const largest = [...skipped].sort((a, b) => (size.get(b.name) ?? 0) - (size.get(a.name) ?? 0)).slice(0, 3);
  const reasons = largest.map((each) => `${each.name}: ${each.reason}`);
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
