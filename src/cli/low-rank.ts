import type { Command } from "commander";
import { type ByteSink, NpyRowWriter, writeNpy } from "../formats/index.js";
import { writeAllAtomically } from "../node/files/file.js";
import { boundOf } from "../model/description.js";
import type { LeftSink, LowRankOptions, LowRankResult } from "../types/index.js";
import { runCommand, type Context } from "./context.js";
import { addMatrixOptions, type MatrixOptions } from "./npy-files.js";
import { addFit, addSize, checkOneSize, readRowWeights, withMatrix, type SizeOptions } from "./options.js";
import { number, percent } from "./text.js";

export function addLowRank(program: Command): void {
  const command = program
    .command("low-rank <matrix>")
    .description("factors of one .npy matrix")
    .requiredOption("--left <file>", "left factor, rows x rank")
    .requiredOption("--right <file>", "right factor, rank x cols");
  type Options = MatrixOptions &
    SizeOptions &
    Pick<LowRankOptions, "p" | "method" | "objective" | "tolerance" | "seed" | "maxWork"> & {
      left: string;
      right: string;
    };
  addMatrixOptions(addFit(addSize(command), "lp"))
    .addHelpText("after", "\nExample:\n  loewner low-rank A.npy --rank 64 --p 1 --left L.npy --right R.npy")
    .action((path: string, options: Options) =>
      runCommand(options, async (context) => {
        checkOneSize(options);
        const rowWeights = await readRowWeights(options.rowWeights, context);
        await withMatrix(path, context, async (source) => {
          await context.checkOutputs([options.left, options.right], options);
          const { keep, rank, energy, p, method, objective, tolerance, seed, maxWork } = options;
          const fit = (left: LeftSink) =>
            context.withLoewner((loewner) =>
              loewner.lowRank(source, {
                keep,
                rank,
                energy,
                p,
                method,
                objective,
                tolerance,
                seed,
                maxWork,
                rowWeights,
                left,
                factorType: source.dtype === "f64" ? "f64" : "f32",
                signal: context.signal,
                onProgress: context.progress,
              }),
            );
          const result = await writeFactors(options, source.rows, fit, context);
          const { report, certificate } = result;
          context.json({
            input: path,
            left: options.left,
            right: options.right,
            shape: [source.rows, source.cols],
            dtype: source.dtype,
            rank: result.rank,
            p: result.p,
            method: result.method,
            objective: report.objective,
            candidates: report.candidates,
            certificate,
            iterations: result.iterations,
            residual: result.residual,
            converged: result.converged,
            seconds: result.seconds,
            seed: report.seed,
          });
          const share = (result.rank * (source.rows + source.cols)) / (source.rows * source.cols);
          context.say(
            `${path}  ${source.rows} x ${source.cols} -> rank ${result.rank} by ${result.method}: ${percent(share)} of the size kept, ${percent(1 - share)} removed`,
          );
          const { objective: error } = report;
          context.say(
            `l_1 ${number(error.l1)}, l_2,1 ${number(error.l21)}, l_2 ${number(error.l2)}, worst row ${error.worstRow.row}: ${number(error.worstRow.norm)}`,
          );
          context.say(`proven: |(A - left right) x|_${result.p} <= ${number(boundOf(certificate))} |x|_2 for every x`);
          context.say(`Written: ${options.left}, ${options.right}  (${result.seconds.toFixed(1)} s)`);
        });
      }),
    );
}

/** The left factor goes to its file as it is made, however long; then the right. Both are put in place together, or neither. */
async function writeFactors(
  { left, right, force }: MatrixOptions & { left: string; right: string },
  rows: number,
  fit: (left: LeftSink) => Promise<LowRankResult>,
  context: Context,
): Promise<LowRankResult> {
  let result: LowRankResult;
  const files = [
    {
      path: left,
      async write(sink: ByteSink) {
        const writer = new NpyRowWriter(sink, rows);
        result = await fit((start, block) => writer.write(start, block));
        await writer.finish();
        context.endProgress();
      },
    },
    {
      path: right,
      write: (sink: ByteSink) => writeNpy(sink, { data: result.right.data, shape: [result.rank, result.right.cols] }),
    },
  ];
  await writeAllAtomically(files, { force, signal: context.signal });
  return result!;
}
