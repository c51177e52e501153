// What the table of inspect says, in a terminal as on a page: its columns, which layers stand in it, and the notes below.
import type { InspectedLayer, Inspection } from "../model/index.js";
import { number, percent } from "./text.js";

export interface Column<L = InspectedLayer> {
  /** Two lines in a terminal, one on a page. */
  head: [string, string];
  /** Text, and so set left; numbers are set right. */
  text?: true;
  /** The marks of footnotes stand beside it. */
  marked?: true;
  cell(layer: L): string;
}

/** A line for tensors that do not stand in the table one by one. */
export interface Remainder {
  name: string;
  bytes: number;
}

export interface Listing {
  /** Largest first. */
  layers: InspectedLayer[];
  remainders: Remainder[];
}

/** Tensors below this share of the model are summed in one line. */
const smallShare = 0.001;

/** Which layers stand in the table, and what the rest of the model takes. */
export function listing({ layers, bytes }: Inspection, all: boolean): Listing {
  const sorted = [...layers].sort((a, b) => b.bytes - a.bytes);
  const shown = sorted.filter(({ share, stored }) => all || share >= smallShare || stored !== undefined);
  const small = sorted.filter((layer) => !shown.includes(layer));
  const sum = (list: readonly InspectedLayer[]) => list.reduce((total, layer) => total + layer.bytes, 0);
  const remainders: Remainder[] = [];
  if (small.length) remainders.push({ name: `${small.length} smaller (--all)`, bytes: sum(small) });
  const copies = layers.flatMap((layer) => layer.copies ?? []);
  const copied = copies.reduce((total, copy) => total + copy.bytes, 0);
  if (copied > 0)
    remainders.push({
      name: copies.length === 1 ? "1 copy of a layer" : `${copies.length} copies of layers`,
      bytes: copied,
    });
  const rest = bytes - sum(layers) - copied;
  if (rest > 0) remainders.push({ name: "rest of the file", bytes: rest });
  return { layers: shown, remainders };
}

const unknown = "-";

export const columns: readonly Column[] = [
  { head: ["", "layer"], text: true, cell: ({ name }) => name },
  { head: ["", "kind"], text: true, cell: ({ kind, stored }) => (stored ? "factors" : kind) },
  { head: ["", "shape"], text: true, cell: ({ shape }) => shape.join(" x ") || "scalar" },
  { head: ["", "dtype"], text: true, cell: ({ dtype, storedAs, stored }) => stored?.dtype ?? storedAs ?? dtype },
  { head: ["", "MB"], marked: true, cell: ({ bytes }) => inMegabytes(bytes) },
  { head: ["% of", "model"], cell: ({ share }) => inPercent(share) },
  { head: ["stable", "rank"], cell: ({ spectrum }) => spectrum?.stableRank.toFixed(1) ?? unknown },
  { head: ["90 %", "rank"], cell: ({ spectrum }) => String(spectrum?.rankAt90 ?? unknown) },
  { head: ["99 %", "rank"], cell: ({ spectrum }) => String(spectrum?.rankAt99 ?? unknown) },
  { head: ["saves", "MB"], cell: ({ atKeep }) => (atKeep ? inMegabytes(atKeep.bytesSaved) : unknown) },
  { head: ["l_2", "error"], cell: ({ atKeep }) => atKeep?.error?.toFixed(3) ?? unknown },
];

type StoredLayer = InspectedLayer & Required<Pick<InspectedLayer, "stored">>;

export const storedColumns: readonly Column<StoredLayer>[] = [
  { head: ["", "layer"], text: true, cell: ({ name }) => name },
  { head: ["", "rank"], cell: ({ stored: { rank, dense } }) => (dense ? "full" : String(rank)) },
  { head: ["", "dtype"], text: true, cell: ({ stored }) => stored.dtype },
  { head: ["", "p"], cell: ({ stored }) => String(stored.p) },
  { head: ["", "bound"], cell: ({ stored }) => number(stored.bound) },
  { head: ["MB", "before"], cell: ({ stored }) => inMegabytes(stored.bytesBefore) },
  { head: ["MB", "now"], cell: ({ bytes }) => inMegabytes(bytes) },
];

/** MB = 10^6 bytes, without the unit. */
export function inMegabytes(bytes: number): string {
  const size = bytes / 1e6;
  return Math.abs(size) >= 0.01 || bytes === 0 ? size.toFixed(2) : size.toFixed(3);
}

export const inPercent = (share: number) => (100 * share).toFixed(1);

/** One mark for what is too large to bind, two for what is too large for a buffer. */
export const markOf = ({ exceeds }: InspectedLayer) =>
  exceeds === undefined ? "" : exceeds === "128 MiB" ? "*" : "**";

/** What the figures are. */
export function legend({ keep, layers }: Inspection): string {
  const known = layers.filter(({ spectrum }) => spectrum).length;
  const could = layers.filter(({ atKeep }) => atKeep).length;
  const size = "MB = 10^6 bytes.";
  if (could === 0) return size;
  const figures = `Saves, l_2 error: what factors of the layer's own dtype at keep ${keep} would save, and the relative error of SVD.`;
  const missing = known < could ? ` Spectra of ${known} of ${could} layers; --spectrum all computes every one.` : "";
  return `${figures} ${size}${missing}`;
}

/** What the marks mean: only of marks that stand in the table. */
export function footnotes(layers: readonly InspectedLayer[]): { mark: string; text: string }[] {
  const notes = [
    {
      mark: "*",
      limit: "128 MiB",
      text: "a tensor above 128 MiB, the largest storage buffer binding that every WebGPU device has (maxStorageBufferBindingSize)",
    },
    {
      mark: "**",
      limit: "256 MiB",
      text: "a tensor above 256 MiB, the largest buffer that every WebGPU device has (maxBufferSize)",
    },
  ];
  return notes.filter(({ limit }) => layers.some(({ exceeds }) => exceeds === limit));
}

/** What compress does without further options. */
export function defaultOutcome({ layers, bytes, keep }: Inspection): string {
  const stored = storedLayers(layers).flatMap((layer) => layer.stored ?? []);
  if (stored.length > 0) {
    const saved =
      stored.reduce((sum, { bytesBefore }) => sum + bytesBefore, 0) -
      storedLayers(layers).reduce((sum, layer) => sum + layer.bytes, 0);
    const count = stored.length === 1 ? "One layer is" : `${stored.length} layers are`;
    return `${count} compressed already: the model has ${inMegabytes(bytes)} MB, and had about ${inMegabytes(bytes + saved)} MB.`;
  }
  const chosen = layers.filter(({ byDefault, atKeep }) => byDefault && atKeep && atKeep.bytesSaved > 0);
  if (chosen.length === 0) {
    const could = layers.some(({ atKeep }) => atKeep);
    return `Compress takes no layer by default at keep ${keep}${could ? "; name some with --layers" : ""}.`;
  }
  const after = bytes - chosen.reduce((sum, { atKeep }) => sum + atKeep!.bytesSaved, 0);
  const names = chosen.length > 3 ? `${chosen.length} layers` : chosen.map(({ name }) => name).join(", ");
  return `Compress takes ${names} by default: at keep ${keep} the model would be about ${inMegabytes(after)} MB (${percent(after / bytes)}).`;
}

/** Layers that cannot be factored, by the reason why not (and what reads them), largest first. */
export function blockedByReason(layers: readonly InspectedLayer[]): { reason: string; names: string[] }[] {
  const groups = new Map<string, { names: string[]; readers: Set<string> }>();
  for (const { name, blocked, readers = [] } of [...layers].sort((a, b) => b.bytes - a.bytes)) {
    if (blocked === undefined) continue;
    const group = groups.get(blocked) ?? { names: [], readers: new Set() };
    group.names.push(name);
    for (const each of readers) group.readers.add(each);
    groups.set(blocked, group);
  }
  return [...groups].map(([reason, { names, readers }]) => ({
    names,
    reason: readers.size > 0 ? `${reason}; read by ${[...readers].join(", ")}` : reason,
  }));
}

/** Copies of layers, in words: "V (the transpose of W)". */
export function copiesOf(layers: readonly InspectedLayer[]): string[] {
  return layers.flatMap(({ name: of, copies = [] }) =>
    copies.map(({ name, transposed }) => `${name} (${transposed ? "the transpose of " : ""}${of})`),
  );
}

/** Layers that are factors already, largest first. */
export function storedLayers(layers: readonly InspectedLayer[]): StoredLayer[] {
  const stored = layers.filter((layer): layer is StoredLayer => layer.stored !== undefined);
  return stored.sort((a, b) => b.bytes - a.bytes);
}
