import type { Command } from "commander";
import { InvalidInputError } from "../errors.js";
import type { Matrix, RowSource } from "../matrix.js";
import type { MinVolumeOptions, MinVolumeResult } from "../types/index.js";
import { runCommand, type CommonOptions } from "./context.js";
import { matrixFile, vectorFile, writeAll, type NpyFile } from "./npy-files.js";
import { addCommon, parsePositive, withMatrix } from "./options.js";
import { number } from "./text.js";

type Options = CommonOptions &
  Pick<MinVolumeOptions, "freeCenter" | "tolerance"> & {
    output: string;
    basis?: string;
    weights?: string;
    john?: boolean;
    force?: boolean;
  };

export function addMinVolume(program: Command): void {
  addCommon(
    program
      .command("min-volume <matrix>")
      .description("smallest ellipsoid that holds the rows and their negatives (--free-center: the rows)")
      .requiredOption("-o, --output <file>", "H of {x : (x - center)' H (x - center) <= 1}; the JSON has the center")
      .option("--free-center", "let the centre move")
      .option("--basis <file>", "orthonormal columns B: the ellipsoid is {center + B y : y' H y <= 1}")
      .option("--john", "the polar: the largest ellipsoid in {x : |a_i x| <= 1 for every row}")
      .option("--weights <file>", "the optimal weights, one a row")
      .option("--tolerance <t>", "of max(omega_+ / d - 1, 1 - omega_- / d)", parsePositive, 1e-7)
      .option("--force", "replace outputs that exist"),
  )
    .addHelpText("after", "\nExample:\n  loewner min-volume A.npy --free-center -o H.npy --json")
    .action((path: string, options: Options) =>
      runCommand(options, async (context) => {
        const { freeCenter = false, john = false, tolerance } = options;
        checkCombination(options);
        const outputs = [options.output, options.basis, options.weights].filter((file) => file !== undefined);
        await withMatrix(path, context, async (source) => {
          await context.checkOutputs(outputs, options);
          const result: Omit<MinVolumeResult, "center"> & { center?: Float64Array } = await context.withLoewner(
            (loewner) => {
              const hooks = { tolerance, signal: context.signal, onProgress: context.progress };
              return john
                ? loewner.johnEllipsoid(source, hooks)
                : loewner.minVolumeEllipsoid(source, { ...hooks, freeCenter });
            },
          );
          context.endProgress();
          const { H, basis, weights, rank, logDet, contacts, iterations, residual, converged, seconds } = result;
          const files = [ellipsoidFile(options.output, H, source)];
          if (options.basis !== undefined) {
            files.push(ellipsoidFile(options.basis, basis ?? identity(source.cols), source));
          }
          if (options.weights !== undefined) files.push(vectorFile(options.weights, weights, source));
          await writeAll(files, options, context);
          context.json({
            input: path,
            output: options.output,
            basis: options.basis,
            weights: options.weights,
            shape: [source.rows, source.cols],
            dtype: source.dtype,
            freeCenter,
            john,
            tolerance,
            rank,
            center: Array.from(result.center ?? new Float64Array(source.cols)),
            logDet,
            contacts: Array.from(contacts),
            iterations,
            residual,
            converged,
            seconds,
          });
          context.say(
            `${path}  ${source.rows} x ${source.cols}, rank ${rank}; log det H ${number(logDet)}, ${contacts.length} rows touch`,
          );
          context.say(
            `${converged ? "converged" : "did NOT converge"} in ${iterations} rounds to a residual of ${residual.toExponential(1)}`,
          );
          if (basis && options.basis === undefined) {
            context.say(`The rows span ${rank} of ${source.cols} dimensions: H is of coordinates in --basis <file>.`);
          }
          context.say(`Written: ${outputs.join(", ")}`);
        });
      }),
    );
}

function checkCombination({ john, freeCenter, basis }: Options): void {
  if (john && freeCenter) {
    throw new InvalidInputError("--john is of a polytope that is symmetric about 0: leave out --free-center.");
  }
  if (john && basis !== undefined) {
    throw new InvalidInputError("--john writes H in the matrix's own coordinates: leave out --basis.");
  }
}

/** In the type of the input, unless its range is passed: H goes like 1 / a^2. */
function ellipsoidFile(path: string, matrix: Matrix<Float64Array>, { dtype }: RowSource): NpyFile {
  const narrow = Float32Array.from(matrix.data);
  const fits = matrix.data.every((x, i) => x === 0 || (Math.abs(narrow[i]) < Infinity && Math.abs(x) > 2 ** -126));
  return dtype === "f64" || !fits ? matrixFile(path, matrix) : matrixFile(path, { ...matrix, data: narrow });
}

function identity(d: number): Matrix<Float64Array> {
  const data = new Float64Array(d * d);
  for (let i = 0; i < d; ++i) data[i * d + i] = 1;
  return { data, rows: d, cols: d };
}
