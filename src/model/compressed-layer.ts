// What is told of a layer that was compressed.
import type { Candidate, LowRankCertificate, Objective, ObjectiveName, TransformCode } from "../types/index.js";
import { bitsOf } from "./fit.js";
import { valueBytes } from "./kinds/index.js";
import type { Layer } from "./model.js";
import type { PlannedLayer } from "./plan-options.js";
import type { StoredLayer, StoredType } from "./stored.js";
import { tokensOfRows } from "./tokens/row-tokens.js";
import type { Tokenizer } from "./tokens/tokenizer.js";

export interface CompressedLayer {
  name: string;
  kind: string;
  rows: number;
  cols: number;
  /** Of transform codes: components that have bits. Of clusters: of each group. */
  rank: number;
  /** Of clusters: groups of rows, each with a right factor of its own. */
  groups?: number;
  /** Share of the layer's elements that the factors hold; of its components, of transform codes. */
  keep: number;
  /** How numbers are stored. */
  dtype: StoredType;
  /** Of its codes, where it was quantised already: errors are against what these stand for. */
  storedAs?: string;
  bytesBefore: number;
  bytesAfter: number;
  method: StoredLayer["method"];
  p: number;
  /** Of what is stored. */
  objective: Objective;
  /** Frobenius norm of the error beside the layer's own, rows weighted alike; absent where the layer's was not asked for. */
  relativeError?: number;
  candidates: readonly Candidate[];
  certificate: LowRankCertificate;
  /** Why this rank, this method, this way to store it. */
  explain: string;
  /** Where its row weights come from. */
  rowWeights?: string;
  /** Of transform codes: how many components have how many bits, and rows that are kept nearly exactly. */
  bands?: readonly { bits: number; components: number }[];
  exactRows?: readonly number[];
  /** The tokens of these rows, null where a row has none; of a table that the tokenizer fits. */
  exactTokens?: readonly (string | null)[];
  /** Of trellis codes: of every entry. */
  bits?: number;
  /** Of trellis codes made under second moments: of what the layer puts out on the inputs these were taken of, squared, beside that. */
  outputError?: number;
  seconds: number;
}

/** @param objective what methods were compared by */
export function compressedLayer(
  stored: StoredLayer,
  planned: PlannedLayer,
  objective: ObjectiveName,
  tokenizer?: Tokenizer,
): CompressedLayer {
  const report = reportOf(planned.layer, stored, `${planned.because}; ${why(stored, planned, objective)}`);
  const exactTokens = report.exactRows && tokensOfRows(planned.layer, report.exactRows, tokenizer);
  const relativeError = planned.norm ? stored.objective.l2 / planned.norm : undefined;
  return { ...report, ...(relativeError !== undefined && { relativeError }), ...(exactTokens && { exactTokens }) };
}

function why(
  { method, type, candidates, rank, value }: StoredLayer,
  { targets, layer }: PlannedLayer,
  objective: ObjectiveName,
): string {
  const others = candidates.map((each) => each.method).filter((name) => name !== method);
  const reasons: string[] = [];
  if (value.kind === "transform") reasons.push(bandsOf(value));
  else if (value.kind === "trellis") reasons.push(`all entries in ${value.bits} bits, after a fixed rotation`);
  else if (value.kind === "clusters") reasons.push(`rows in ${value.count} groups, each with a subspace of its own`);
  else if (method === "dense") reasons.push("the table itself in few bits, of full rank");
  else if (others.length) reasons.push(`${method} has the least ${objective} of ${[method, ...others].join(", ")}`);
  else reasons.push(`method ${method}`);
  if (targets.length > 1) {
    const kept = nameOf({
      ...{ type, rank, dense: method === "dense" },
      ...(value.kind === "clusters" && { groups: value.count }),
    });
    reasons.push(`${kept} has the least ${objective} of ${targets.map(nameOf).join(", ")}`);
  } else if (type === "transform" || type === "trellis") return reasons.join("; ");
  else if (bitsOf(type)) reasons.push(`factors rotated and stored in ${bitsOf(type)} bits, right in 8`);
  else
    reasons.push(type === layer.dtype.toLowerCase() ? `stored as ${type}, the layer's own type` : `stored as ${type}`);
  return reasons.join("; ");
}

interface NamedWay {
  type: StoredType;
  rank?: number;
  dense?: boolean;
  groups?: number;
}

/** A way to store a layer, in words. */
function nameOf({ type, rank, dense, groups = 1 }: NamedWay): string {
  if (type === "transform" || type === "trellis") return `${type} codes`;
  if (dense) return `${type} at full rank`;
  return `${type} at rank ${rank}${groups > 1 ? ` in ${groups} groups` : ""}`;
}

function bandsOf({ bands, cols, exact }: TransformCode): string {
  const coded = bands.map(({ bits, cols: count }) => `${Math.min(count, cols)} in ${bits} bits`);
  const components = coded.length ? `components: ${coded.join(", ")}` : "no component has bits";
  return exact ? `${components}; ${exact.rows.length} rows nearly exact` : components;
}

function reportOf({ name, kind, bytes, storedAs }: Layer, best: StoredLayer, explain: string): CompressedLayer {
  const { rows, cols, rank, type, method, p, objective, candidates, certificate, seconds, value, outputError } = best;
  const groups = value.kind === "clusters" ? value.count : 1;
  const keep =
    value.kind === "transform"
      ? Math.min(1, rank / cols)
      : method === "dense" || method === "trellis"
        ? 1
        : (rank * (rows + groups * cols)) / (rows * cols);
  return {
    ...(storedAs && { storedAs }),
    ...{ name, kind, rows, cols, rank, keep, dtype: type, bytesBefore: bytes, bytesAfter: valueBytes(value) },
    ...{ method, p, objective, candidates, certificate, explain, seconds },
    ...(value.kind === "transform" && {
      bands: value.bands.map(({ bits, cols: components }) => ({ bits, components })),
      exactRows: Array.from(value.exact?.rows ?? []),
    }),
    ...(value.kind === "clusters" && { groups }),
    ...(value.kind === "trellis" && { bits: value.bits }),
    ...(outputError !== undefined && { outputError }),
  };
}
