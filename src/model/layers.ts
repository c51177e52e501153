// Which layers are compressed: those that globs name, or those that are by default.
import picomatch from "picomatch";
import { InvalidInputError } from "../errors.js";
import { leastShare, type Layer, type Model } from "./model.js";
import { listNames } from "../formats/names.js";
import { isFactorable } from "./plan-file.js";

export interface Selection {
  /** Globs over tensor names ("*" crosses dots and slashes); "all" is every weight of a layer that takes 0.1 % of the model or more. Default: the layers with `byDefault`. */
  layers?: readonly string[];
  /** Exact names, in place of globs. */
  names?: readonly string[];
  /** Globs of what to leave alone. */
  exclude?: readonly string[];
}

/**
 * The layers that a selection names, and every other 2-D weight with the reason why not.
 * @param unnamed the reason for those that `names` leaves out
 * @throws {InvalidInputError} when a glob matches nothing: the message lists what there is
 */
export function select(
  model: Model,
  { layers: globs, names, exclude = [] }: Selection,
  unnamed = "not among the names that were given",
) {
  const weights = model.layers.filter((layer) => isFactorable(layer) || layer.blocked !== undefined);
  const chosenBy = names
    ? ({ name }: Layer) => names.includes(name)
    : globs?.length
      ? matcher(globs, weights, model, "--layers")
      : (layer: Layer) => layer.byDefault;
  const isExcluded = exclude.length ? matcher(exclude, weights, model, "--exclude") : () => false;
  const minor = (layer: Layer) => minorReason(layer, model);
  const chosen: Layer[] = [];
  const skipped: { name: string; reason: string }[] = [];
  for (const layer of weights) {
    const { name, blocked } = layer;
    if (blocked !== undefined) skipped.push({ name, reason: blocked });
    else if (!chosenBy(layer)) {
      const reason = names
        ? unnamed
        : globs?.length
          ? (globs.includes("all") && minor(layer)) || "not named by --layers"
          : "not a word table or tall matrix; name it with --layers";
      skipped.push({ name, reason });
    } else if (isExcluded(layer)) skipped.push({ name, reason: "excluded" });
    else chosen.push(layer);
  }
  return { chosen, skipped };
}

/** Whether `exclude` names a tensor, layer or not. */
export function excludedBy(exclude: readonly string[] = []): (name: string) => boolean {
  const tests = exclude.map(testOf);
  return (name) => tests.some((test) => test(name));
}

function testOf(glob: string): (name: string) => boolean {
  // Names use dots and slashes without meaning folders, so "*" may run over everything.
  const flat = (text: string) => text.replaceAll("/", "\u2215");
  const test = picomatch(flat(glob), { bash: true, dot: true });
  return (name) => test(flat(name));
}

function matcher(globs: readonly string[], weights: readonly Layer[], model: Model, option: string) {
  const { name: file } = model;
  const tests = globs.map((glob) =>
    glob === "all" ? (_: string, layer: Layer) => minorReason(layer, model) === undefined : testOf(glob),
  );
  globs.forEach((glob, i) => {
    if (glob !== "all" && !weights.some((layer) => tests[i](layer.name, layer))) {
      throw new InvalidInputError(`${option} ${glob} matches no 2-D weight of ${file}; it has ${list(weights)}.`, {
        file,
      });
    }
  });
  return (layer: Layer) => tests.some((test) => test(layer.name, layer));
}

/** Whether "all" has it. */
export const isInAll = (layer: Layer, model: Model) =>
  layer.blocked === undefined && minorReason(layer, model) === undefined;

/** Why "all" leaves a layer out: what it could save is nothing that is worth an error. */
function minorReason({ minor, bytes, copies = [] }: Layer, { byteLength }: Model): string | undefined {
  const all = copies.reduce((sum, copy) => sum + copy.bytes, bytes);
  if (minor === undefined && all >= leastShare * byteLength) return undefined;
  const reason = minor ?? `takes less than ${100 * leastShare} % of the model`;
  return `${reason}; name it with --layers`;
}

function list(weights: readonly Layer[]): string {
  if (weights.length === 0) return "no 2-D floating-point weight at all";
  return listNames(weights.map((layer) => layer.name));
}
