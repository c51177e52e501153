// Is a compressed file what it says it is? Everything is computed afresh from the original and the factors as they are stored.
import { InvalidInputError } from "../errors.js";
import { quote } from "../formats/json.js";
import type { Loewner, Objective, RowWeights, RunOptions } from "../types/index.js";
import { checkCall } from "./checked.js";
import type { LayerDescription } from "./description.js";
import { identity } from "./stored-certificate.js";
import { allTensorsOf, factorsOf, openValue, typeOfValue } from "./kinds/index.js";
import { matrixOf, type Layer, type Model } from "./model.js";
import { ModelProgress } from "./model-progress.js";
import { byLayer, sideBySide } from "./side-by-side.js";
import { errorFaults, sizeOf } from "./stored-errors.js";
import { isWithin, proveStored } from "./stored-proof.js";
import { floatLeft } from "./stored.js";

/** What is said of a layer, by the file or by a fresh computation. */
export interface LayerClaims {
  objective: Objective;
  /** |(A - left right) x|_p <= bound |x|_2 for every x. */
  bound: number;
}

export interface VerifiedLayer {
  name: string;
  saved: LayerClaims;
  computed: LayerClaims;
  /** Largest relative difference of l1, l21, l2 and lp. */
  difference: number;
  /** The saved bound follows from the fresh proof, and is no larger than any that compress proves. */
  boundHolds: boolean;
  /** What the file says that is not so; empty for an honest one. */
  faults: string[];
  ok: boolean;
}

export interface Verification {
  layers: VerifiedLayer[];
  /** Layers that the original does not have, or of another shape. */
  missing: string[];
  /** Stored as factors in both files, alike to the byte: nothing is proved of them, whose table neither file holds. */
  unproved: string[];
  /** Stored as factors in both files, but not alike. */
  altered: string[];
  /** Something was proved, and nothing is wrong. */
  ok: boolean;
}

export interface VerifyOptions extends RunOptions {
  /** The weights that compress was given, for a table of so many rows, of counts to this power where the file names one. */
  weightsFor?: (rows: number, power: number | undefined) => RowWeights | undefined;
}

/**
 * Errors and bounds of every described layer, against the original.
 * @throws {InvalidInputError} where `compressed` holds no factors, or the two were given the wrong way round
 */
export async function verifyLayers(
  loewner: Loewner,
  original: Model,
  compressed: Model,
  options: VerifyOptions = {},
): Promise<Verification> {
  for (const model of [original, compressed]) checkCall("verifyLayers", model, options);
  checkDirection(original, compressed);
  const found: { layer: Layer; described: LayerDescription }[] = [];
  const [missing, unproved, altered]: string[][] = [[], [], []];
  for (const [name, described] of compressed.described) {
    if (original.described.has(name)) {
      const alike = await areAlike(original, compressed, name);
      (alike ? unproved : altered).push(name);
      continue;
    }
    const layer = original.layers.find((each) => each.name === name);
    const [rows, cols] = described.transposed ? [described.cols, described.rows] : [described.rows, described.cols];
    if (!layer || layer.shape.length !== 2 || layer.shape[0] !== rows || layer.shape[1] !== cols) missing.push(name);
    else found.push({ layer, described });
  }
  const progress = new ModelProgress(
    found.map(({ layer }) => layer),
    options.onProgress,
  );
  const layers = await sideBySide(
    found,
    byLayer(loewner, original, ({ layer }) => layer, options.signal),
    async ({ layer, described }, signal) => {
      const run = { ...options, signal, onProgress: progress.calls(layer.name, 1, [1, 1, 1, 1]) };
      const verified = await verifyLayer(loewner, original, compressed, layer, described, run);
      progress.end(layer.name);
      return verified;
    },
  );
  const isRight = layers.every((layer) => layer.ok) && missing.length === 0 && altered.length === 0;
  return { layers, missing, unproved, altered, ok: isRight && layers.length > 0 };
}

/** @throws {InvalidInputError} unless something of `compressed` is stored as factors that may not be so in `original` */
function checkDirection(original: Model, compressed: Model): void {
  const place = { file: compressed.name };
  const isPlain = (name: string) => compressed.layers.some((layer) => layer.name === name);
  const isBackward = [...compressed.described.keys()].every((name) => original.described.has(name));
  const swapped = [...original.described.keys()].find(isPlain);
  if (isBackward && swapped !== undefined) {
    throw new InvalidInputError(
      `${original.name} holds ${quote(swapped)} as factors, and ${compressed.name} holds it whole: they were given the wrong way round. The original comes first, then what was compressed.`,
      place,
    );
  }
  if (compressed.described.size > 0) return;
  throw new InvalidInputError(`${compressed.name} holds no factors: there is nothing to verify.`, place);
}

/** Whether a layer that both files hold as factors is described alike, and its tensors are the same to the byte. */
async function areAlike(original: Model, compressed: Model, name: string): Promise<boolean> {
  const [one, other] = [original, compressed].map((model) => model.described.get(name)!);
  if (JSON.stringify(one) !== JSON.stringify(other)) return false;
  for (const tensor of allTensorsOf(one)) {
    const [x, y] = [await original.bytes(tensor), await compressed.bytes(tensor)];
    if (x.length !== y.length || x.some((byte, i) => byte !== y[i])) return false;
  }
  return true;
}

async function verifyLayer(
  loewner: Loewner,
  original: Model,
  compressed: Model,
  { name, dtype, dims }: Layer,
  described: LayerDescription,
  { weightsFor, ...run }: VerifyOptions,
): Promise<VerifiedLayer> {
  const { p, objective, bound, rows, cols, rank, type, transposed = false } = described;
  const rowWeights = described.rowWeights ? weightsFor?.(rows, described.rowWeightsPower) : undefined;
  if (described.rowWeights && rowWeights?.length !== rows) {
    throw new InvalidInputError(`${name} was compressed with row weights; pass the same ones with --row-weights.`, {
      tensor: name,
    });
  }
  const value = await openValue(compressed, described);
  const { left, right } = await factorsOf(value);
  const pair = { left, right: right ?? identity(cols) };
  const faults: string[] = [];
  if (dtype !== described.dtype) faults.push(`it was ${described.dtype}, but the original is ${dtype}`);
  if (described.shape && described.shape.join() !== dims?.join())
    faults.push(`it was ${described.shape.join(" x ")}, but the original is ${(dims ?? [rows, cols]).join(" x ")}`);
  const held = typeOfValue(value);
  if (held !== type) faults.push(`its factors are ${type}, but they are ${held ?? "of several types"}`);
  // Codes have room for rows of zeros after those that there are.
  if (right && floatLeft(value) === undefined && !right.data.subarray(-cols).some((x) => x !== 0))
    faults.push(`its rank is ${rank}, but the last row of its right factor is 0`);
  const source = loewner.open(matrixOf(original, { name, transposed }));
  try {
    const weighted = { p, rowWeights, ...run };
    const computed = await loewner.residual(source, pair, weighted);
    const size = await sizeOf(loewner, source, weighted);
    const isWide = dtype === "F64" && floatLeft(value) !== undefined;
    faults.push(...(await errorFaults(source, pair, { saved: objective, computed, size, p, isWide })));
    const proof = await proveStored(loewner, source, value, pair, computed, bound, weighted);
    const boundHolds = isWithin(bound, proof);
    if (!boundHolds)
      faults.push(
        `its bound is ${bound}, but ${proof.bound} is proved, and one from ${proof.least} to ${proof.most} could be`,
      );
    const keys = ["lp", "l1", "l21", "l2"] as const;
    return {
      name,
      saved: { objective, bound },
      computed: { objective: computed, bound: proof.bound },
      difference: Math.max(...keys.map((key) => relative(objective[key], computed[key]))),
      ...{ boundHolds, faults, ok: faults.length === 0 },
    };
  } finally {
    source.close();
  }
}

function relative(saved: number, computed: number): number {
  const size = Math.max(Math.abs(saved), Math.abs(computed));
  return size === 0 ? 0 : Math.abs(saved - computed) / size;
}
