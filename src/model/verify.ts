// Is a compressed file what it says it is? Everything is computed afresh from the original and the stored factors.
import { InvalidInputError } from "../errors.js";
import { tensorChunks, tensorRows, type SafetensorsFile } from "../formats/index.js";
import type { Loewner, LowRankCertificate, Objective, RowWeights, RunOptions } from "../types/index.js";
import { readFactor } from "./expand.js";
import { pairsOf, type Pair } from "./pairs.js";

/** Objectives must agree to this, relative. */
const objectiveTolerance = 1e-5;
/** The parts of a certificate: Lewis weights are computed again, to the same tolerance. */
const certificateTolerance = 1e-3;

export interface VerifiedLayer {
  name: string;
  saved: { objective: Objective; certificate: LowRankCertificate };
  computed: { objective: Objective; certificate: LowRankCertificate };
  /** Largest relative difference of l1, l21, l2 and lp. */
  difference: number;
  /** The saved bound (with its slack and rounding) is at least the one proved afresh. */
  boundHolds: boolean;
  ok: boolean;
}

export interface Verification {
  layers: VerifiedLayer[];
  /** Tensors that should have passed through byte for byte, and those that did not. */
  untouched: number;
  changed: string[];
  missing: string[];
  ok: boolean;
}

export async function verifyModel(
  loewner: Loewner,
  original: SafetensorsFile,
  compressed: SafetensorsFile,
  options: RunOptions & { rowWeights?: RowWeights } = {},
): Promise<Verification> {
  const pairs = pairsOf(compressed);
  if (pairs.size === 0) {
    throw new InvalidInputError(`${compressed.source.name} holds no factors: there is nothing to verify.`, {
      file: compressed.source.name,
    });
  }
  const layers: VerifiedLayer[] = [];
  const missing: string[] = [];
  for (const pair of pairs.values()) {
    const tensor = original.tensors.get(pair.name);
    if (!tensor || tensor.shape.length !== 2 || tensor.shape[0] !== pair.rows || tensor.shape[1] !== pair.cols)
      missing.push(pair.name);
    else layers.push(await verifyPair(loewner, original, compressed, pair, options));
  }
  const changed: string[] = [];
  const factors = new Set([...pairs.values()].flatMap((pair) => [pair.left, pair.right]));
  let untouched = 0;
  for (const name of original.tensors.keys()) {
    if (pairs.has(name)) continue;
    if (!compressed.tensors.has(name)) missing.push(name);
    else if (await sameBytes(original, compressed, name)) ++untouched;
    else changed.push(name);
  }
  for (const name of compressed.tensors.keys()) {
    if (!factors.has(name) && !original.tensors.has(name)) changed.push(name);
  }
  const ok = layers.every((layer) => layer.ok) && changed.length === 0 && missing.length === 0;
  return { layers, untouched, changed, missing, ok };
}

async function verifyPair(
  loewner: Loewner,
  original: SafetensorsFile,
  compressed: SafetensorsFile,
  pair: Pair,
  { rowWeights: given, ...run }: RunOptions & { rowWeights?: RowWeights },
): Promise<VerifiedLayer> {
  const { name, p, tolerance, objective, certificate } = pair;
  if (pair.rowWeights && given?.length !== pair.rows) {
    throw new InvalidInputError(`${name} was compressed with row weights; pass the same ones with --row-weights.`, {
      tensor: name,
    });
  }
  const rowWeights = pair.rowWeights ? given : undefined;
  const source = tensorRows(original, name);
  const right = await readFactor(compressed, pair.right);
  const left = tensorRows(compressed, pair.left);
  const computed = {
    objective: await loewner.residual(source, { left, right }, { p, rowWeights, ...run }),
    certificate: await loewner.certify(source, right, {
      ...{ p, tolerance, rowWeights, ...run },
      ...(pair.method === "entrywise" && { left }),
      ...(pair.method === "level-set" && { ellipsoid: "level-set", seed: pair.seed }),
    }),
  };
  const keys = ["lp", "l1", "l21", "l2"] as const;
  const difference = Math.max(...keys.map((key) => relative(objective[key], computed.objective[key])));
  const allowance = certificate.bound * (1 + certificate.slack) + certificate.rounding;
  const boundHolds = computed.certificate.bound <= allowance * (1 + 1e-9);
  const sandwich = Math.max(
    relative(certificate.lower, computed.certificate.lower),
    relative(certificate.upper, computed.certificate.upper),
  );
  return {
    name,
    saved: { objective, certificate },
    computed,
    difference,
    boundHolds,
    ok: difference <= objectiveTolerance && boundHolds && sandwich <= certificateTolerance,
  };
}

function relative(saved: number, computed: number): number {
  const size = Math.max(Math.abs(saved), Math.abs(computed));
  return size === 0 ? 0 : Math.abs(saved - computed) / size;
}

async function sameBytes(a: SafetensorsFile, b: SafetensorsFile, name: string): Promise<boolean> {
  const x = a.tensors.get(name)!;
  const y = b.tensors.get(name)!;
  if (x.dtype !== y.dtype || x.byteLength !== y.byteLength || x.shape.join() !== y.shape.join()) return false;
  const others = tensorChunks(b, name)[Symbol.asyncIterator]();
  for await (const chunk of tensorChunks(a, name)) {
    const { value } = await others.next();
    if (!value || value.length !== chunk.length) return false;
    for (let i = 0; i < chunk.length; ++i) if (chunk[i] !== value[i]) return false;
  }
  return true;
}
