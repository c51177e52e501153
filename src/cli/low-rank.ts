import type { Command } from "commander";
import { type ByteSink, NpyRowWriter, writeNpy } from "../formats/index.js";
import { writeAllAtomically } from "../node/files/file.js";
import { boundOf } from "../model/description.js";
import type { LeftSink, LowRankOptions, LowRankResult } from "../types/index.js";
import { InvalidInputError } from "../errors.js";
import { checkGroups } from "./combinations.js";
import { runCommand, type Context } from "./context.js";
import { addMatrixOptions, type MatrixOptions } from "./npy-files.js";
import { addFit, addSize, checkOneSize, readRowWeights, withMatrix, type SizeOptions } from "./options.js";
import { number, percent } from "./text.js";

export function addLowRank(program: Command): void {
  const command = program
    .command("low-rank <matrix>")
    .description("factors of one .npy matrix")
    .requiredOption("--left <file>", "left factor, rows x rank")
    .requiredOption(
      "--right <file>",
      "right factor, rank x cols; of --method clusters, those of all groups below each other",
    )
    .option("--group-numbers <file>", "of --method clusters: the group of each row, .npy of int32");
  type Options = MatrixOptions &
    SizeOptions &
    Pick<LowRankOptions, "p" | "method" | "groups" | "objective" | "tolerance" | "seed" | "maxWork"> &
    Outputs;
  addMatrixOptions(addFit(addSize(command), "lp"))
    .addHelpText("after", "\nExample:\n  loewner low-rank A.npy --rank 64 --p 1 --left L.npy --right R.npy")
    .action((path: string, options: Options) =>
      runCommand(options, async (context) => {
        checkOneSize(options);
        checkGroups(options);
        const rowWeights = await readRowWeights(options.rowWeights, context);
        await withMatrix(path, context, async (source) => {
          const outputs = [
            options.left,
            options.right,
            ...(options.groupNumbers === undefined ? [] : [options.groupNumbers]),
          ];
          await context.checkOutputs(outputs, options);
          checkGroupNumbers(options);
          const { keep, rank, energy, p, method, groups, objective, tolerance, seed, maxWork } = options;
          const fit = (left: LeftSink) =>
            context.withLoewner((loewner) =>
              loewner.lowRank(source, {
                keep,
                rank,
                energy,
                p,
                method,
                groups,
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
          const count = result.right.rows / result.rank;
          context.json({
            input: path,
            left: options.left,
            right: options.right,
            ...(result.groups && { groupNumbers: options.groupNumbers, groups: count }),
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
          const share = (result.rank * (source.rows + count * source.cols)) / (source.rows * source.cols);
          context.say(
            `${path}  ${source.rows} x ${source.cols} -> rank ${result.rank}${result.groups ? ` in ${count} groups` : ""} by ${result.method}: ${percent(share)} of the size kept, ${percent(1 - share)} removed`,
          );
          const { objective: error } = report;
          context.say(
            `l_1 ${number(error.l1)}, l_2,1 ${number(error.l21)}, l_2 ${number(error.l2)}, worst row ${error.worstRow.row}: ${number(error.worstRow.norm)}`,
          );
          context.say(`proven: |(A - left right) x|_${result.p} <= ${number(boundOf(certificate))} |x|_2 for every x`);
          context.say(`Written: ${outputs.join(", ")}  (${result.seconds.toFixed(1)} s)`);
        });
      }),
    );
}

interface Outputs {
  left: string;
  right: string;
  groupNumbers?: string;
}

/** @throws {InvalidInputError} where group numbers would be lost, or there are none */
function checkGroupNumbers({
  method,
  groups,
  groupNumbers,
}: Pick<LowRankOptions, "method" | "groups"> & Outputs): void {
  const isGrouped = method === "clusters" && groups !== 1;
  if (isGrouped && groupNumbers === undefined)
    throw new InvalidInputError(
      "Factors of clusters are of no use without each row's group: name a file with --group-numbers.",
    );
  if (!isGrouped && groupNumbers !== undefined)
    throw new InvalidInputError("--group-numbers is for --method clusters with more than one group; leave it out.");
}

/** The left factor goes to its file as it is made, however long; then the others. All are put in place together, or none. */
async function writeFactors(
  { left, right, groupNumbers, force }: MatrixOptions & Outputs,
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
      write: (sink: ByteSink) =>
        writeNpy(sink, { data: result.right.data, shape: [result.right.rows, result.right.cols] }),
    },
    ...(groupNumbers === undefined
      ? []
      : [
          {
            path: groupNumbers,
            write: (sink: ByteSink) => writeNpy(sink, { data: Int32Array.from(result.groups!), shape: [rows] }),
          },
        ]),
  ];
  await writeAllAtomically(files, { force, signal: context.signal });
  return result!;
}
