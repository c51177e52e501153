import { realpath } from "node:fs/promises";
import { dirname } from "node:path";
import type { Command } from "commander";
import { InvalidInputError } from "../errors.js";
import { writeSafetensors } from "../formats/index.js";
import { writeAtomically } from "../node/files/file.js";
import { checkSpace } from "../node/files/space.js";
import { expandModel } from "../model/index.js";
import { type CommonOptions, runCommand } from "./context.js";
import { withModel } from "./models.js";
import { addModelCommon } from "./options.js";
import { megabytes } from "./text.js";

export function addExpand(program: Command): void {
  addModelCommon(
    program
      .command("expand <model>")
      .description("write the model out in full again, for tools that need plain weights")
      .requiredOption("-o, --output <file>", "the dense model")
      .option("--force", "replace the output if it exists"),
  )
    .addHelpText("after", "\nExample:\n  loewner expand small.safetensors -o dense.safetensors")
    .action((model: string, options: CommonOptions & { output: string; force?: boolean }) =>
      runCommand(options, (context) =>
        withModel(context, model, async ({ kind, file, model: { byteLength: bytesBefore } }) => {
          if (kind === "onnx") {
            throw new InvalidInputError(
              `${model}: an ONNX model runs with its factors as it is; expand is for safetensors.`,
              { file: model },
            );
          }
          const { output, force } = options;
          if (/\.(onnx|json)$/i.test(output)) {
            throw new InvalidInputError(
              `What comes out is one safetensors file: name the output .safetensors, not ${output}.`,
              { file: output },
            );
          }
          await context.checkOutputs([output], { force });
          const { signal } = context;
          const { layers, byteLength } = await context.withLoewner(async (loewner) => {
            const run = { signal, onProgress: context.progress };
            const expanded = await expandModel(loewner, file, run);
            const { tensors, metadata, byteLength } = expanded;
            const target = await realpath(output).catch(() => output);
            await checkSpace(dirname(target), byteLength, output, "name a file elsewhere with -o");
            await writeAtomically(output, { force, signal, byteLength }, (sink) =>
              writeSafetensors(sink, { tensors, metadata }, { signal }),
            );
            return expanded;
          });
          context.endProgress();
          context.json({ input: model, output, bytesBefore, bytesAfter: byteLength, layers });
          if (context.options.verbose) for (const name of layers) context.say(`${name}: left * right`);
          context.say(
            `${megabytes(bytesBefore)} -> ${megabytes(byteLength)}; ${layers.length} ${layers.length === 1 ? "layer" : "layers"} multiplied back. Written: ${output}`,
          );
        }),
      ),
    );
}
