// What a model puts out: scores of classes, of every word at every token, hidden states, or one vector a text; read off the graph.
import { InvalidInputError } from "../../errors.js";
import type { OnnxModel, OnnxValue } from "../../formats/onnx/types.js";
import { declaredShape } from "../onnx/input-shapes.js";

/**
 * "scores": one number a class, batch x classes. "words": one a word of the vocabulary, batch x sequence x words. "states": hidden
 * states, batch x sequence x width. "vector": one vector a text, batch x width.
 */
export type OutputKind = "scores" | "words" | "states" | "vector";

export interface ModelOutput {
  readonly name: string;
  readonly kind: OutputKind;
  /** Size of the last axis, where the model says it. */
  readonly cols?: number;
  /** For people: `logits (batch x 2)`. */
  readonly description: string;
}

/** Names that exporters give, by what they hold; the first that fits is taken. */
const names: Record<OutputKind, RegExp> = {
  scores: /^(logits|scores?|class_logits|probabilities)$/i,
  words: /^((lm_|token_|mlm_)?logits|prediction_(logits|scores))$/i,
  states: /^(last_hidden_state|token_embeddings|hidden_states?|encoder_outputs?)$/i,
  vector: /^(sentence_embeddings?|text_embeds?|embeddings?|pooler_output|pooled_output)$/i,
};
const ranks: Record<OutputKind, number> = { scores: 2, words: 3, states: 3, vector: 2 };
const axes: Record<OutputKind, string> = {
  ...{ scores: "batch", vector: "batch" },
  ...{ words: "batch x sequence", states: "batch x sequence" },
};
const floatTypes = [1, 10, 11];

/**
 * The first of `kinds` that a model puts out, by the names of its outputs, and else by their shapes.
 * @throws {InvalidInputError} when there is none: the message has all of its outputs
 */
export function outputOf(model: OnnxModel, kinds: readonly OutputKind[]): ModelOutput {
  const outputs = model.graph.outputs.filter(({ elemType }) => floatTypes.includes(elemType));
  const fits = ({ dims }: OnnxValue, kind: OutputKind) => dims === undefined || dims.length === ranks[kind];
  for (const isNamed of [true, false]) {
    for (const kind of kinds) {
      const found = outputs.find(
        (output) => fits(output, kind) && (isNamed ? names[kind].test(output.name) : isFree(output, kind)),
      );
      if (!found) continue;
      const last = found.dims?.at(-1);
      return {
        ...{ name: found.name, kind, description: `${found.name} (${axes[kind]} x ${last ?? "?"})` },
        ...(typeof last === "number" && last > 0 && { cols: last }),
      };
    }
  }
  const file = model.source.name;
  const wanted = kinds.map((kind) => words[kind]).join(" or ");
  const all = model.graph.outputs.map(described).join(", ");
  throw new InvalidInputError(
    `${file} does not put out ${wanted}, which this task reads; it puts out ${all || "nothing"}. Choose another task, or export the model with its head.`,
    { file },
  );
}

/** Of a name that says nothing else, and of a shape that is known. */
function isFree({ name, dims }: OnnxValue, kind: OutputKind): boolean {
  return (
    dims?.length === ranks[kind] && !Object.values(names).some((each) => each.test(name)) && !/^present/.test(name)
  );
}

function described(output: OnnxValue): string {
  return `${output.name} (${declaredShape(output)})`;
}

const words: Record<OutputKind, string> = {
  scores: "a score for each class (batch x classes)",
  words: "a score for each word at each token (batch x sequence x words)",
  states: "hidden states (batch x sequence x width)",
  vector: "a vector for each text (batch x width)",
};
