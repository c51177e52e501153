// What the commands on one .npy matrix share: their options, and writing all outputs or none.
import type { Command } from "commander";
import { writeNpy } from "../formats/npy-write.js";
import { writeAllAtomically } from "../node/files/file.js";
import type { Matrix, RowSource } from "../matrix.js";
import type { CommonOptions, Context } from "./context.js";
import { addCommon } from "./options.js";

export type MatrixOptions = CommonOptions & { force?: boolean; rowWeights?: string };

export interface NpyFile {
  path: string;
  data: Float32Array | Float64Array | Int32Array;
  shape: number[];
}

/** Nothing, or all of them. */
export async function writeAll(files: NpyFile[], { force }: MatrixOptions, context: Context): Promise<void> {
  await writeAllAtomically(
    files.map(({ path, data, shape }) => ({
      path,
      byteLength: data.byteLength + 128,
      write: (sink) => writeNpy(sink, { data, shape }),
    })),
    { force, signal: context.signal },
  );
}

export const matrixFile = (path: string, { data, rows, cols }: Matrix): NpyFile => ({
  path,
  data,
  shape: [rows, cols],
});

/** A vector of f64 in the type that the input has. */
export function vectorFile(path: string, data: Float64Array, { dtype }: RowSource): NpyFile {
  return { path, data: dtype === "f64" ? data : Float32Array.from(data), shape: [data.length] };
}

export function addMatrixOptions(command: Command): Command {
  return addCommon(
    command
      .option("--row-weights <file>", ".npy vector: how much each row counts")
      .option("--force", "replace outputs that exist"),
  );
}
