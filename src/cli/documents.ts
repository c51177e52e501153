// What --json prints, in one vocabulary for all commands (docs/json.md): `shape` is [rows, cols], `dtype` is in lower case, bytes are
// bytesBefore and bytesAfter, and files have the names of the options that name them.
import { InvalidInputError, isLoewnerError } from "../errors.js";
import type { CompressedLayer, Inspection, InspectedLayer } from "../model/index.js";

/** What went wrong, as a document has it. */
export interface Failure {
  /** That of the error's class; USAGE for what cannot be read on the command line, INTERNAL for a fault of loewner's own. */
  readonly code: string;
  readonly message: string;
  /** Where: what is known of it. */
  readonly file?: string;
  readonly tensor?: string;
  readonly row?: number;
  readonly column?: number;
  readonly offset?: number;
}

/** @param message in the words of the command line */
export function failureOf(error: unknown, message: string): Failure {
  if (!isLoewnerError(error)) return { code: "INTERNAL", message };
  const isUsage = error instanceof InvalidInputError && !isPlaced(error);
  return { code: isUsage ? "USAGE" : error.code, message, ...error.place };
}

/** An error that is about what was read, rather than about how the command was called. */
export function isPlaced({ place }: InvalidInputError): boolean {
  return place.file !== undefined || place.tensor !== undefined || place.row !== undefined;
}

const longNames: Record<string, string> = { float16: "f16", float32: "f32", float64: "f64", bfloat16: "bf16" };

/** "F32" of safetensors, "float32" of onnxruntime and "f32" are one; so are "I64" and "int64". */
export function dtypeOf(name: string): string {
  const lower = name.toLowerCase();
  const [, sign, bits] = /^([iu])(\d+)$/.exec(lower) ?? [];
  if (sign !== undefined) return `${sign === "u" ? "uint" : "int"}${bits}`;
  return longNames[lower] ?? lower;
}

export function compressedDocument({ rows, cols, name, kind, ...rest }: CompressedLayer) {
  return { name, kind, shape: [rows, cols], ...rest };
}

export function inspectionDocument({ file: input, layers, ...rest }: Inspection) {
  return { input, ...rest, layers: layers.map(inspectedDocument) };
}

function inspectedDocument({ dtype, spectrum, stored, ...rest }: InspectedLayer) {
  return {
    ...rest,
    dtype: dtypeOf(dtype),
    ...(spectrum && { spectrum }),
    ...(stored && { stored }),
  };
}
