// Which tensors of a file are layers, which of them are compressed by default, and which a glob names.
import picomatch from "picomatch";
import { InvalidInputError } from "../errors.js";
import { rowTypeOf, type SafetensorsFile, type SafetensorsTensor } from "../formats/index.js";

/** "embedding": a table of words or tokens. "linear": another 2-D weight. "other": not 2-D, or not floating point. */
export type LayerKind = "embedding" | "linear" | "other";

export interface Layer {
  name: string;
  kind: LayerKind;
  shape: readonly number[];
  dtype: string;
  bytes: number;
  /** Compressed unless other layers are asked for by name. */
  byDefault: boolean;
}

export interface Selection {
  /** Globs over tensor names ("*" crosses dots); "all" is every 2-D weight. Default: the layers with `byDefault`. */
  layers?: readonly string[];
  /** Globs of what to leave alone. */
  exclude?: readonly string[];
}

const table = /(^|[._/])(word|token|embed_tokens|wte|shared)/i;
const positions = /(position|token_type|segment|(^|[._/])wpe)/i;

export function layersOf(file: SafetensorsFile): Layer[] {
  return [...file.tensors.values()].map(layerOf);
}

function layerOf({ name, shape, dtype, byteLength }: SafetensorsTensor): Layer {
  const isWeight = shape.length === 2 && shape[0] > 0 && shape[1] > 0 && rowTypeOf(dtype) !== undefined;
  const named = table.test(name);
  const tall = isWeight && shape[0] >= 8 * shape[1];
  const isTable = isWeight && !positions.test(name) && (named || tall);
  const kind = !isWeight ? "other" : isTable || positions.test(name) ? "embedding" : "linear";
  return { name, kind, shape, dtype, bytes: byteLength, byDefault: isTable };
}

/**
 * The layers that a selection names, and every other 2-D weight with the reason why not.
 * @throws {InvalidInputError} when a glob matches nothing, or nothing is left: the message lists what there is
 */
export function select(file: SafetensorsFile, { layers: globs, exclude = [] }: Selection) {
  const layers = layersOf(file);
  const weights = layers.filter((layer) => layer.kind !== "other");
  const chosenBy = globs?.length ? matcher(globs, weights, file, "--layers") : (layer: Layer) => layer.byDefault;
  const excludedBy = exclude.length ? matcher(exclude, weights, file, "--exclude") : () => false;
  const chosen: Layer[] = [];
  const skipped: { name: string; reason: string }[] = [];
  for (const layer of weights) {
    if (!chosenBy(layer)) {
      const reason = globs?.length ? "not named by --layers" : "not a word table or tall matrix; name it with --layers";
      skipped.push({ name: layer.name, reason });
    } else if (excludedBy(layer)) skipped.push({ name: layer.name, reason: "excluded" });
    else chosen.push(layer);
  }
  if (chosen.length === 0) {
    throw new InvalidInputError(`${file.source.name}: no layer is left to compress; it has ${list(weights)}.`, {
      file: file.source.name,
    });
  }
  return { chosen, skipped };
}

function matcher(globs: readonly string[], weights: Layer[], file: SafetensorsFile, option: string) {
  // Tensor names use dots, not slashes, so "*" may run over everything.
  const tests = globs.map((glob) => (glob === "all" ? () => true : picomatch(glob, { bash: true, dot: true })));
  globs.forEach((glob, i) => {
    if (!weights.some((layer) => tests[i](layer.name))) {
      throw new InvalidInputError(
        `${option} ${glob} matches no 2-D weight of ${file.source.name}; it has ${list(weights)}.`,
        {
          file: file.source.name,
        },
      );
    }
  });
  return (layer: Layer) => tests.some((test) => test(layer.name));
}

function list(weights: Layer[]): string {
  if (weights.length === 0) return "no 2-D floating-point weight at all";
  const names = weights.slice(0, 12).map((layer) => layer.name);
  return names.join(", ") + (weights.length > 12 ? `, ... (${weights.length} in all)` : "");
}
