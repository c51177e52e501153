// The options of compress, in the groups that --help shows them in.
import type { Command } from "commander";
import { modelObjective, type CompressOptions } from "../model/index.js";
import { type Purpose, purposes } from "../model/plan-options.js";
import { storedTypes } from "../model/stored.js";
import type { CommonOptions } from "./context.js";
import {
  addFit,
  addLayers,
  addModelCommon,
  addModelSize,
  addRequantise,
  choiceOf,
  collect,
  grouped,
  parseChoice,
  parseRank,
  type SizeOptions,
  typeName,
} from "./options.js";
import { addQuality, type QualityOptions } from "./quality.js";
import { addRowWeights, type RowWeightOptions } from "./row-weights.js";
import { collectShape, type RunOptions } from "./verify-onnx.js";

export type Options = CommonOptions &
  SizeOptions &
  RowWeightOptions &
  QualityOptions &
  Pick<RunOptions, "inputs" | "shape" | "runtime"> &
  Pick<
    CompressOptions,
    "p" | "method" | "groups" | "objective" | "tolerance" | "seed" | "maxWork" | "minRank" | "multipleOf" | "operators"
  > & {
    output?: string;
    layers?: string[];
    exclude?: string[];
    dtype?: CompressOptions["type"];
    for?: Purpose;
    plan?: string;
    dryRun?: boolean;
    verify?: boolean;
    force?: boolean;
    resume?: boolean;
    requantise?: boolean;
  };

export function addCompressOptions(command: Command): Command {
  addQuality(
    command.option("-o, --output <file>", "the smaller model (default: MODEL.small.onnx or MODEL.small.safetensors)"),
  )
    .option("--dry-run", "say what would be done, write nothing")
    .option("--force", "replace the output if it exists")
    .option("--resume", "carry on with a run that ended early (its layers are in OUT.partial)");
  grouped(command, "A size, in place of a quality:", (each) =>
    addModelSize(each).option(
      "--plan <file>",
      "JSON: size, dtype, p and method of each layer; inspect --plan writes one",
    ),
  );
  grouped(command, "Which layers:", (each) => addRequantise(addLayers(each)));
  grouped(command, "How layers are stored:", (each) =>
    each
      .option(
        "--dtype <type>",
        `${storedTypes.join(", ")}, or auto (default: auto; with --rank, --energy or --method the layer's own type)`,
        choiceOf([...storedTypes, "auto"], typeName),
      )
      .option(
        "--for <purpose>",
        "ONNX: download, for the fewest bytes, which are unpacked as the model loads; or memory, for weights that onnxruntime computes with without unpacking (default: download)",
        parseChoice(...purposes),
      )
      .option(
        "--operators <set>",
        "ONNX: write standard operators only, or onnxruntime's own too",
        parseChoice("standard", "onnxruntime"),
      ),
  );
  grouped(command, "How they are fitted:", (each) =>
    addRowWeights(addFit(each, modelObjective))
      .option("--min-rank <k>", "with --budget or --bytes: smallest rank of a layer", parseRank)
      .option("--multiple-of <k>", "ranks are multiples of this (default: 1, below 8 bits 8)", parseRank),
  );
  grouped(command, "Checking the result:", (each) =>
    each
      .option("--verify", "when it is written, check the result against the original; ONNX: run both")
      .option(
        "--inputs <file>",
        "with --verify: what to run on, x.npy or name=x.npy (may be given more than once)",
        collect,
      )
      .option(
        "--shape <name=n,m>",
        "with --verify: shape of a made-up input, ids=2,128 (may be given more than once)",
        collectShape,
      )
      .option("--runtime <name>", "with --verify or --calibrate: node or web", parseChoice("node", "web")),
  );
  return addModelCommon(command).addHelpText(
    "after",
    `
Examples:
  loewner compress model.onnx
  loewner compress model.onnx --calibrate texts.txt --tokenizer tokenizer.json
  loewner compress model.onnx -o small.onnx --bytes 12MB --dtype auto

Finished layers are kept in OUT.partial until the output is complete. If a run was killed, or the disk was full, give the same
command again with --resume: it carries on where it stopped, and the output is the same to the byte.`,
  );
}
