import type { Command } from "commander";
import { VerificationError } from "../errors.js";
import { compareUntouched, verifyLayers } from "../model/index.js";
import { type CommonOptions, runCommand } from "./context.js";
import { withModel } from "./models.js";
import { addCommon, readRowWeights } from "./options.js";
import { number } from "./text.js";

export function addVerify(program: Command): void {
  addCommon(
    program
      .command("verify <model> <compressed>")
      .description("compute errors and certificates afresh, and compare them and every other tensor with the original")
      .option("--row-weights <file>", "the weights that compress was given"),
  )
    .addHelpText("after", "\nExample:\n  loewner verify model.safetensors small.safetensors")
    .action((model: string, compressed: string, options: CommonOptions & { rowWeights?: string }) =>
      runCommand(options, async (context) => {
        const weights = await readRowWeights(options.rowWeights);
        const weightsFor = weights && ((rows: number) => (rows === weights.length ? weights : undefined));
        const result = await withModel(model, (original) =>
          withModel(compressed, (small) =>
            context.withLoewner(async (loewner) => {
              const run = { weightsFor, signal: context.signal, onProgress: context.progress };
              const proved = await verifyLayers(loewner, original.model, small.model, run);
              const rest =
                original.kind === "safetensors" && small.kind === "safetensors"
                  ? await compareUntouched(original.file, small.file, small.model)
                  : { untouched: 0, changed: [], missing: [] };
              const missing = [...new Set([...proved.missing, ...rest.missing])];
              const ok = proved.ok && rest.changed.length === 0 && missing.length === 0;
              return { ...proved, ...rest, missing, ok };
            }),
          ),
        );
        context.endProgress();
        context.json({ input: model, output: compressed, ...result });
        for (const layer of result.layers) {
          context.say(`${layer.ok ? "ok    " : "FAILED"}  ${layer.name}`);
          context.say(
            `        errors as saved to ${layer.difference.toExponential(1)}; l_1 ${number(layer.computed.objective.l1)}`,
          );
          context.say(
            `        bound saved ${number(layer.saved.certificate.bound)}, proved afresh ${number(layer.computed.certificate.bound)}`,
          );
        }
        context.say(`${result.untouched} other tensors are the same to the byte`);
        if (!result.ok) {
          const failed = result.layers.filter((layer) => !layer.ok).map((layer) => layer.name);
          const what = [
            failed.length && `${failed.join(", ")} ${failed.length > 1 ? "are" : "is"} not what the file says`,
            result.changed.length && `changed: ${result.changed.join(", ")}`,
            result.missing.length && `missing or of another shape: ${result.missing.join(", ")}`,
          ].filter(Boolean);
          throw new VerificationError(
            `${compressed} does not match ${model}: ${what.join("; ")}. Compress it again from the original.`,
            { file: compressed },
          );
        }
      }),
    );
}
