// Is a compressed file what it says it is? Everything is computed afresh from the original and the stored factors.
import { codedRows } from "../codes.js";
import { InvalidInputError } from "../errors.js";
import { readRows, type Matrix } from "../matrix.js";
import type { Loewner, LowRankCertificate, Objective, RowWeights, RunOptions } from "../types/index.js";
import { openPart, type LayerDescription } from "./description.js";
import { identity, matrixOfCodes, storedCertificate } from "./fit.js";
import { matrixOf, type Layer, type Model } from "./model.js";
import { ModelProgress } from "./model-progress.js";
import { byLayer, sideBySide } from "./side-by-side.js";
import type { StoredMatrix } from "./stored.js";

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
  /** Layers that the original does not have, or of another shape. */
  missing: string[];
  ok: boolean;
}

export interface VerifyOptions extends RunOptions {
  /** The weights that compress was given, for a table of so many rows, of counts to this power where the file names one. */
  weightsFor?: (rows: number, power: number | undefined) => RowWeights | undefined;
}

/** Errors and certificates of every described layer, against the original. */
export async function verifyLayers(
  loewner: Loewner,
  original: Model,
  compressed: Model,
  options: VerifyOptions = {},
): Promise<Verification> {
  if (compressed.described.size === 0) {
    throw new InvalidInputError(`${compressed.name} holds no factors: there is nothing to verify.`, {
      file: compressed.name,
    });
  }
  const found: { layer: Layer; described: LayerDescription }[] = [];
  const missing: string[] = [];
  for (const [name, described] of compressed.described) {
    const already = original.described.get(name);
    if (already && JSON.stringify(already) === JSON.stringify(described)) continue; // was compressed before
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
    async ({ layer: { name }, described }, signal) => {
      const run = { ...options, signal, onProgress: progress.calls(name, 1, 2) };
      const verified = await verifyLayer(loewner, original, compressed, name, described, run);
      progress.end(name);
      return verified;
    },
  );
  return { layers, missing, ok: layers.every((layer) => layer.ok) && missing.length === 0 };
}

async function verifyLayer(
  loewner: Loewner,
  original: Model,
  compressed: Model,
  name: string,
  described: LayerDescription,
  { weightsFor, ...run }: VerifyOptions,
): Promise<VerifiedLayer> {
  const { p, tolerance, objective, certificate, rows, cols, rank, transposed = false } = described;
  const rowWeights = described.rowWeights ? weightsFor?.(rows, described.rowWeightsPower) : undefined;
  if (described.rowWeights && rowWeights?.length !== rows) {
    throw new InvalidInputError(`${name} was compressed with row weights; pass the same ones with --row-weights.`, {
      tensor: name,
    });
  }
  const left = await openPart(compressed, described.left, rows, rank);
  const right = described.right ? await openPart(compressed, described.right, rank, cols) : undefined;
  const whole = right ? await matrixIn(right) : identity(cols);
  const leftRows = left.kind === "codes" ? codedRows(left) : left.rows;
  const computed: VerifiedLayer["computed"] = { objective, certificate };
  const source = loewner.open(matrixOf(original, { name, transposed }));
  try {
    computed.objective = await loewner.residual(source, { left: leftRows, right: whole }, { p, rowWeights, ...run });
    if (left.kind === "codes") {
      const pair = { left, right: right?.kind === "codes" ? right : undefined };
      const options = { p, tolerance, rowWeights, ...run };
      computed.certificate = await storedCertificate(loewner, source, pair, options, computed.objective);
    } else {
      computed.certificate = await loewner.certify(source, whole, {
        ...{ p, tolerance, rowWeights, ...run },
        ...(described.method === "entrywise" && { left: leftRows }),
        ...(described.method === "level-set" && { ellipsoid: "level-set", seed: described.seed }),
      });
    }
  } finally {
    source.close();
  }
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

/** A stored matrix as numbers, in memory. */
export async function matrixIn(stored: StoredMatrix): Promise<Matrix> {
  if (stored.kind === "codes") return matrixOfCodes(stored);
  const { rows, cols, dtype } = stored.rows;
  const data = await readRows(stored.rows);
  return { data: dtype === "f64" ? data : Float32Array.from(data), rows, cols };
}

function relative(saved: number, computed: number): number {
  const size = Math.max(Math.abs(saved), Math.abs(computed));
  return size === 0 ? 0 : Math.abs(saved - computed) / size;
}
