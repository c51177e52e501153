/**
 * What a weight is by its name, over the names that the usual architectures give: BERT and its kin, GPT-2, GPT-NeoX, OPT,
 * BLOOM, Llama and its kin, T5, BART, NLLB, Whisper, CLIP, SigLIP, ModernBERT, SentenceTransformers. The last module of
 * the path decides ("bert.embeddings.word_embeddings.weight": word_embeddings), so that any wrapper in front of it will do.
 */
import { tiedNames, type ModelFacts } from "./tied-weights.js";

/**
 * "embedding": a table read by word or token. "head": the output projection onto the vocabulary. "position": a table of
 * positions, relative positions, token types or languages. "linear": any other 2-D weight. "other": no 2-D weight.
 */
export type WeightRole = "embedding" | "head" | "linear" | "position" | "other";

export interface WeightFacts {
  readonly role: WeightRole;
  /** Names that stand for the same weight and are absent from the file: "lm_head.weight" of a model that ties its head. */
  readonly tied: readonly string[];
  /** Stored inputs x outputs, the other way round than a linear layer's weight: Conv1D of GPT-2. */
  readonly transposed: boolean;
}

const embedding =
  /^(word_embeddings?|tok(en)?_embeddings?|tokens_embed|embed_tokens(_per_layer)?|wte|shared|embed_in|embeddings?|emb)$/;
const position =
  /^(pos_emb.*|rel_embeddings|relative_attention_bias|rel_pos_.|(token_type|segment|seg|lang|language)_embed.*)$/;
/** One of these between underscores says so too. Not by a regular expression around it: in long names that takes the square of their length. */
const positionWords = new Set(["position", "positions", "positional", "wpe"]);
const head =
  /(^|\.)(lm_head|lm_head\.(decoder|linear)|predictions\.decoder|vocab_projector|generator_lm_head|embed_out|pred_layer\.proj|lm_loss)$/;
/** A head only at the end of a whole model, where it maps to more than it reads; "head" alone may have a thousand classes. */
const rootHead = /^(proj_out|decoder|output|transformer\.output_layer|model\.output)$/;
/** Modules that multiply, however tall they are. */
const linear =
  /(proj|project|projection|dense|linear|transform|gate|router|classifier|score|c_attn|c_fc|q_attn|mapping|fc|lin)(_?\d+|_(in|out))?$/;
const adapter = /(^|\.)lora_/;
/** No weights of layers, though some have two dimensions. */
const buffer = /(^|[._])(bias|position_ids|inv_freq|qweight|qzeros|scales|g_idx|a_log)$/;
/** Modules that name nothing known, but speak of words. */
const spoken = /^(word|token|vocab)/;

/**
 * The role of a tensor by its name and shape. A name that is not known is a table of tokens when the weight has at least 8
 * times as many rows as columns.
 */
export function roleOf(name: string, shape: readonly number[]): WeightRole {
  const path = name.toLowerCase().replaceAll("/", ".");
  const [rows, cols] = shape;
  if (shape.length !== 2 || rows < 1 || cols < 1 || buffer.test(path)) return "other";
  const module = path.replace(/\.weights?$/, "");
  const last = module.slice(module.lastIndexOf(".") + 1);
  if (head.test(module) || (rootHead.test(module) && rows > cols) || (module === "head" && rows >= 8 * cols))
    return "head";
  if (embedding.test(last)) return "embedding";
  if (linear.test(last) || adapter.test(module)) return "linear";
  if (position.test(last) || last.split("_").some((word) => positionWords.has(word))) return "position";
  return spoken.test(last) || rows >= 8 * cols ? "embedding" : "linear";
}

/**
 * Facts of every 2-D weight of a model, in the order of `tensors`.
 * @param facts config.json beside the model and `__metadata__` of the file, where there are any: they tell tied weights
 */
export function weightRoles(
  tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  facts: ModelFacts = {},
): Map<string, WeightFacts> {
  const ties = tiedNames(tensors, facts);
  const conv1d = usesConv1d(tensors);
  const weights = new Map<string, WeightFacts>();
  for (const [name, { shape }] of tensors) {
    const role = roleOf(name, shape);
    if (role === "other") continue;
    const transposed = conv1d && isConv1d.test(name);
    weights.set(name, { role, tied: ties.get(name) ?? [], transposed });
  }
  return weights;
}

const isConv1d = /(^|\.)h\.\d+\.(attn|crossattention|mlp)\.(c_attn|q_attn|c_proj|c_fc)\.weight$/;

/**
 * Qwen 1 and StarCoder use GPT-2's names for linear layers. c_attn makes queries, keys and values at once, so it has more
 * outputs than inputs: its shape tells which way it is stored, and the others are stored likewise.
 */
function usesConv1d(tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>): boolean {
  for (const [name, { shape }] of tensors) {
    if (isConv1d.test(name) && /\.c_attn\.weight$/.test(name)) return shape.length === 2 && shape[1] > shape[0];
  }
  return false;
}
