import { realpath } from "node:fs/promises";
import type { Command } from "commander";
import { InvalidInputError } from "../errors.js";
import { writeSafetensors } from "../formats/index.js";
import { checkTarget, writeAtomically } from "../formats/node-file.js";
import {
  compressModel,
  modelObjective,
  planCompression,
  type CompressedModel,
  type CompressOptions,
} from "../model/index.js";
import { type CommonOptions, runCommand, type Context } from "./context.js";
import {
  addCommon,
  addFit,
  addLayers,
  addSize,
  checkOneSize,
  readRowWeights,
  withModel,
  type SizeOptions,
} from "./options.js";
import { megabytes, number, percent, table } from "./text.js";
import { version } from "./version.js";

type Options = CommonOptions &
  SizeOptions &
  Pick<CompressOptions, "p" | "method" | "objective" | "tolerance" | "seed" | "maxWork"> & {
    output?: string;
    layers?: string[];
    exclude?: string[];
    rowWeights?: string;
    dryRun?: boolean;
    force?: boolean;
  };

export function addCompress(program: Command): void {
  const command = program
    .command("compress <model>")
    .description("replace the large tables of a .safetensors model by factors, with a proven error bound")
    .option("-o, --output <file>", "the smaller model");
  addLayers(addFit(addSize(command), modelObjective));
  addCommon(
    command
      .option("--row-weights <file>", ".npy vector: how much each row counts, e.g. how often its token occurs")
      .option("--dry-run", "say what would be done, write nothing")
      .option("--force", "replace the output if it exists"),
  )
    .addHelpText("after", "\nExample:\n  loewner compress model.safetensors -o small.safetensors --keep 0.5")
    .action((model: string, options: Options) => runCommand(options, (context) => compress(context, model, options)));
}

async function compress(context: Context, model: string, options: Options): Promise<void> {
  checkOneSize(options);
  const { output, dryRun, force } = options;
  if (output === undefined && !dryRun)
    throw new InvalidInputError("Say where the smaller model goes: -o small.safetensors (or --dry-run).");
  await withModel(model, async (file) => {
    if (output !== undefined && !dryRun) {
      if ((await realpath(output).catch(() => undefined)) === (await realpath(model))) {
        throw new InvalidInputError(
          `The output ${output} is the input itself; name another file, so that the original stays.`,
          { file: output },
        );
      }
      await checkTarget(output, { force });
    }
    const rowWeights = await readRowWeights(options.rowWeights);
    const { p, method, objective, tolerance, seed, maxWork, keep, rank, energy, layers, exclude } = options;
    const wanted = { p, method, objective, tolerance, seed, maxWork, keep, rank, energy, layers, exclude, rowWeights };
    if (dryRun) return plan(context, model, planCompression(file, wanted), file.source.size);
    const result = await context.withLoewner((loewner) =>
      compressModel(loewner, file, { ...wanted, signal: context.signal, onProgress: context.progress }),
    );
    const { tensors, metadata, bytesAfter } = result;
    await writeAtomically(output!, { force, signal: context.signal, byteLength: bytesAfter }, (sink) =>
      writeSafetensors(sink, { tensors, metadata }, { signal: context.signal }),
    );
    report(context, model, output!, result);
  });
}

function plan(
  context: Context,
  model: string,
  { chosen, skipped }: ReturnType<typeof planCompression>,
  bytesBefore: number,
): void {
  const layers = chosen.map(({ name, kind, shape: [rows, cols], bytes, rank }) => {
    const keep = rank === undefined ? undefined : (rank * (rows + cols)) / (rows * cols);
    return {
      name,
      kind,
      rows,
      cols,
      rank,
      keep,
      bytesBefore: bytes,
      bytesAfter: keep === undefined ? undefined : Math.round(bytes * keep),
    };
  });
  const saved = layers.reduce(
    (sum, layer) => sum + (layer.bytesAfter === undefined ? 0 : layer.bytesBefore - layer.bytesAfter),
    0,
  );
  context.json({ input: model, dryRun: true, bytesBefore, bytesAfter: bytesBefore - saved, layers, skipped, version });
  const rows = layers.map((l) => [
    l.name,
    `${l.rows} x ${l.cols}`,
    l.rank === undefined ? "by energy" : String(l.rank),
    megabytes(l.bytesBefore),
    l.bytesAfter === undefined ? "?" : megabytes(l.bytesAfter),
  ]);
  if (rows.length) context.say(table([["layer", "shape", "rank", "before", "after"], ...rows]));
  sayTotals(context, bytesBefore, bytesBefore - saved, "would be ");
  saySkipped(context, skipped);
  context.say("Dry run: nothing was computed, nothing was written.");
}

function report(context: Context, input: string, output: string, result: CompressedModel): void {
  const { layers, skipped, bytesBefore, bytesAfter, seconds, seed } = result;
  context.json({ input, output, bytesBefore, bytesAfter, layers, skipped, seconds, seed, version });
  for (const layer of layers) {
    context.say(
      `${layer.name}  ${layer.rows} x ${layer.cols} -> rank ${layer.rank} (${percent(layer.keep)} of the layer), ${layer.seconds.toFixed(1)} s`,
    );
    const rows = layer.candidates.map(({ method, objective, certificate }, i) => [
      `  ${method}${i === 0 ? " (chosen)" : ""}`,
      number(objective.lp),
      number(objective.l1),
      number(objective.l21),
      number(objective.l2),
      number(objective.worstRow.norm),
      number(certificate.bound),
    ]);
    context.say(table([["  method", `l_${layer.p}^${layer.p}`, "l_1", "l_2,1", "l_2", "worst row", "bound"], ...rows]));
    const { lower, upper } = layer.certificate;
    context.say(
      `  proven: |(A - left right) x|_${layer.p} <= ${number(layer.certificate.bound)} |x|_2 for every x; no rank-${layer.rank} matrix is more than ${number(upper / lower)} times better.\n`,
    );
  }
  sayTotals(context, bytesBefore, bytesAfter, "");
  saySkipped(context, skipped);
  context.say(`Written: ${output}  (${seconds.toFixed(1)} s)`);
}

function sayTotals(context: Context, before: number, after: number, tense: string): void {
  context.say(
    `${megabytes(before)} -> ${megabytes(after)}: ${megabytes(before - after)} (${percent(1 - after / before)}) ${tense}removed, ${percent(after / before)} ${tense}kept`,
  );
}

function saySkipped(context: Context, skipped: { name: string; reason: string }[]): void {
  if (skipped.length === 0) return;
  const reasons = new Map<string, string[]>();
  for (const { name, reason } of skipped) reasons.set(reason, [...(reasons.get(reason) ?? []), name]);
  context.say("Left alone:");
  for (const [reason, names] of reasons) {
    const some = names.length > 4 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
    context.say(`  ${some}: ${reason}`);
  }
}
