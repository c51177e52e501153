// Commands on one matrix in an .npy file: f2 and f4 give f4, f8 gives f8.
import type { Command } from "commander";
import { InvalidInputError } from "../errors.js";
import { writeNpy } from "../formats/index.js";
import { checkTarget, writeAllAtomically } from "../formats/node-file.js";
import type { Matrix, RowSource } from "../matrix.js";
import type { LewisOptions, LowRankOptions } from "../types.js";
import { type CommonOptions, type Context, runCommand } from "./context.js";
import {
  addCommon,
  addFit,
  addSize,
  checkOneSize,
  parseP,
  parsePositive,
  readRowWeights,
  withMatrix,
  type SizeOptions,
} from "./options.js";
import { number, percent } from "./text.js";
import { version } from "./version.js";

type Shared = CommonOptions & { force?: boolean; rowWeights?: string };

interface NpyFile {
  path: string;
  data: Float32Array | Float64Array;
  shape: number[];
}

/** Nothing, or all of them. */
async function writeAll(files: NpyFile[], { force }: Shared, context: Context): Promise<void> {
  await writeAllAtomically(
    files.map(({ path, data, shape }) => ({
      path,
      byteLength: data.byteLength + 128,
      write: (sink) => writeNpy(sink, { data, shape }),
    })),
    { force, signal: context.signal },
  );
}

async function checkTargets(paths: string[], { force }: Shared): Promise<void> {
  if (new Set(paths).size < paths.length)
    throw new InvalidInputError(`Two outputs have the same name: ${paths.join(", ")}.`);
  for (const path of paths) await checkTarget(path, { force });
}

const matrixFile = (path: string, { data, rows, cols }: Matrix): NpyFile => ({ path, data, shape: [rows, cols] });

/** A vector of f64 in the type that the input has. */
function vectorFile(path: string, data: Float64Array, { dtype }: RowSource): NpyFile {
  return { path, data: dtype === "f64" ? data : Float32Array.from(data), shape: [data.length] };
}

function addShared(command: Command): Command {
  return addCommon(
    command
      .option("--row-weights <file>", ".npy vector: how much each row counts")
      .option("--force", "replace outputs that exist"),
  );
}

export function addLowRank(program: Command): void {
  const command = program
    .command("low-rank <matrix>")
    .description("factors of one .npy matrix")
    .requiredOption("--left <file>", "left factor, rows x rank")
    .requiredOption("--right <file>", "right factor, rank x cols");
  type Options = Shared &
    SizeOptions &
    Pick<LowRankOptions, "p" | "method" | "objective" | "tolerance" | "seed"> & { left: string; right: string };
  addShared(addFit(addSize(command)))
    .addHelpText("after", "\nExample:\n  loewner low-rank A.npy --rank 64 --p 1 --left L.npy --right R.npy")
    .action((path: string, options: Options) =>
      runCommand(options, async (context) => {
        checkOneSize(options);
        await checkTargets([options.left, options.right], options);
        const rowWeights = await readRowWeights(options.rowWeights);
        await withMatrix(path, async (source) => {
          const { keep, rank, energy, p, method, objective, tolerance, seed } = options;
          const result = await context.withLoewner((loewner) =>
            loewner.lowRank(source, {
              ...{ keep, rank, energy, p, method, objective, tolerance, seed, rowWeights },
              factorType: source.dtype === "f64" ? "f64" : "f32",
              signal: context.signal,
              onProgress: context.progress,
            }),
          );
          context.endProgress();
          await writeAll(
            [matrixFile(options.left, result.left), matrixFile(options.right, result.right)],
            options,
            context,
          );
          const { report, certificate } = result;
          context.json({
            input: path,
            left: options.left,
            right: options.right,
            ...{ rows: source.rows, cols: source.cols, rank: result.rank, p: result.p, method: result.method },
            ...{ objective: report.objective, candidates: report.candidates, certificate },
            ...{
              iterations: result.iterations,
              residual: result.residual,
              converged: result.converged,
              seconds: result.seconds,
            },
            ...{ seed: report.seed, version },
          });
          const share = (result.rank * (source.rows + source.cols)) / (source.rows * source.cols);
          context.say(
            `${path}  ${source.rows} x ${source.cols} -> rank ${result.rank} by ${result.method}: ${percent(share)} of the size kept, ${percent(1 - share)} removed`,
          );
          const { objective: error } = report;
          context.say(
            `l_1 ${number(error.l1)}, l_2,1 ${number(error.l21)}, l_2 ${number(error.l2)}, worst row ${error.worstRow.row}: ${number(error.worstRow.norm)}`,
          );
          context.say(`proven: |(A - left right) x|_${result.p} <= ${number(certificate.bound)} |x|_2 for every x`);
          context.say(`Written: ${options.left}, ${options.right}  (${result.seconds.toFixed(1)} s)`);
        });
      }),
    );
}

export function addLeverage(program: Command): void {
  addShared(
    program
      .command("leverage <matrix>")
      .description("leverage scores of the rows")
      .requiredOption("-o, --output <file>", "one score a row"),
  )
    .addHelpText("after", "\nExample:\n  loewner leverage A.npy -o scores.npy")
    .action((path: string, options: Shared & { output: string }) =>
      runCommand(options, async (context) => {
        await checkTargets([options.output], options);
        const rowWeights = await readRowWeights(options.rowWeights);
        await withMatrix(path, async (source) => {
          const { scores, rank, seconds } = await context.withLoewner((loewner) =>
            loewner.leverageScores(source, { rowWeights, signal: context.signal, onProgress: context.progress }),
          );
          context.endProgress();
          await writeAll([vectorFile(options.output, scores, source)], options, context);
          context.json({
            input: path,
            output: options.output,
            rows: source.rows,
            cols: source.cols,
            rank,
            seconds,
            version,
          });
          context.say(
            `${path}  ${source.rows} x ${source.cols}, rank ${rank}; largest score ${number(scores.reduce((a, b) => Math.max(a, b), 0))}`,
          );
          context.say(`Written: ${options.output}`);
        });
      }),
    );
}

export function addLewisWeights(program: Command): void {
  type Options = Shared & Pick<LewisOptions, "p" | "tolerance"> & { output: string; gram?: string };
  addShared(
    program
      .command("lewis-weights <matrix>")
      .description("l_p Lewis weights of the rows")
      .requiredOption("-o, --output <file>", "one weight a row")
      .option("--gram <file>", "M'M, for the certificate: lower |Mx|_2 <= |Ax|_p <= upper |Mx|_2")
      .option("--p <p>", "norm, 0 < p < 4", parseP, 1)
      .option("--tolerance <t>", "of max |tau_i / w_i - 1|", parsePositive, 1e-6),
  )
    .addHelpText("after", "\nExample:\n  loewner lewis-weights A.npy --p 1 -o weights.npy --gram G.npy")
    .action((path: string, options: Options) =>
      runCommand(options, async (context) => {
        const outputs = [options.output, ...(options.gram === undefined ? [] : [options.gram])];
        await checkTargets(outputs, options);
        const rowWeights = await readRowWeights(options.rowWeights);
        await withMatrix(path, async (source) => {
          const { p, tolerance } = options;
          const result = await context.withLoewner((loewner) =>
            loewner.lewisWeights(source, {
              p,
              tolerance,
              rowWeights,
              signal: context.signal,
              onProgress: context.progress,
            }),
          );
          context.endProgress();
          const { weights, gram, rank, certificate, iterations, residual, converged, seconds } = result;
          const files = [vectorFile(options.output, weights, source)];
          // The certificate speaks of this very matrix: it stays f64.
          if (options.gram !== undefined) files.push(matrixFile(options.gram, gram));
          await writeAll(files, options, context);
          context.json({
            ...{
              input: path,
              output: options.output,
              gram: options.gram,
              rows: source.rows,
              cols: source.cols,
              p,
              rank,
            },
            ...{ certificate, iterations, residual, converged, seconds, version },
          });
          context.say(
            `${path}  ${source.rows} x ${source.cols}, rank ${rank}; largest weight ${number(weights.reduce((a, b) => Math.max(a, b), 0))}`,
          );
          context.say(
            `${converged ? "converged" : "did NOT converge"} in ${iterations} sweeps to max |tau / w - 1| = ${residual.toExponential(1)}`,
          );
          context.say(
            `proven: ${number(certificate.lower)} |Mx|_2 <= |Ax|_${p} <= ${number(certificate.upper)} |Mx|_2 for every x`,
          );
          context.say(`Written: ${outputs.join(", ")}`);
        });
      }),
    );
}
