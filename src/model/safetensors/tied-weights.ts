/**
 * Weights that a model has under several names and its file under one. Libraries leave the others out: the output head that
 * is the embedding table (config.json: tie_word_embeddings, true unless it says otherwise), the encoder's and the
 * decoder's view of a shared table. Files of safetensors.torch.save_model say it themselves: their metadata maps each
 * name that was left out to the one that was kept.
 */

export interface ModelFacts {
  /** config.json, parsed. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** `__metadata__` of the file. */
  readonly metadata?: Readonly<Record<string, string>>;
}

interface Tie {
  /** The table, as files of this architecture name it. */
  readonly table: RegExp;
  /** The head; $1 is the table's prefix. */
  readonly head: string;
  /** Beginning of a name that only the model with this head has; without one any model but a classifier will do. */
  readonly sign?: string;
}

/** In order: the first that fits. */
const ties: readonly Tie[] = [
  { table: /^(?:distilbert\.)embeddings\.word_embeddings\.weight$/, head: "vocab_projector.weight", sign: "vocab_" },
  { table: /^albert\.embeddings\.word_embeddings\.weight$/, head: "predictions.decoder.weight", sign: "predictions." },
  { table: /^electra\.embeddings\.word_embeddings\.weight$/, head: "generator_lm_head.weight", sign: "generator_" },
  // RoBERTa, XLM-R, CamemBERT, MPNet, ESM, ...
  { table: /^\w+\.embeddings\.word_embeddings\.weight$/, head: "lm_head.decoder.weight", sign: "lm_head." },
  // BERT, DeBERTa, MobileBERT, ...
  {
    table: /^\w+\.embeddings\.word_embeddings\.weight$/,
    head: "cls.predictions.decoder.weight",
    sign: "cls.predictions.",
  },
  { table: /^model\.embeddings\.tok_embeddings\.weight$/, head: "decoder.weight", sign: "head.dense." },
  { table: /^model\.decoder\.embed_tokens\.weight$/, head: "proj_out.weight", sign: "model.encoder.conv1." },
  { table: /^transformer\.embeddings\.weight$/, head: "pred_layer.proj.weight", sign: "pred_layer." },
  { table: /^transformer\.word_embedding\.weight$/, head: "lm_loss.weight", sign: "lm_loss." },
  { table: /^(language_model\.)model\.embed_tokens\.weight$/, head: "$1lm_head.weight" },
  {
    table: /^(?:model\.language_model|language_model|model|model\.decoder)\.embed_tokens\.weight$/,
    head: "lm_head.weight",
  },
  { table: /^transformer\.(?:wte|word_embeddings)\.weight$/, head: "lm_head.weight" },
  { table: /^(?:wte|word_embeddings)\.weight$/, head: "lm_head.weight" },
  { table: /^backbone\.embeddings?\.weight$/, head: "lm_head.weight" },
  { table: /^(?:model\.)?shared\.weight$/, head: "lm_head.weight" },
];

/** Tables whose architectures also save without any wrapper, so that only config.json can tell whether there is a head. */
const needsConfig = /^(wte|word_embeddings|shared)\.weight$/;
const withHead = /LMHead|CausalLM|MaskedLM|ConditionalGeneration|PreTraining|MTModel|SpeechSeq2Seq/;
const sharedTable = /^(model\.)?shared\.weight$/;
const otherHead = /^(score|classifier|classification_head|qa_outputs|v_head|pre_classifier)\./;

/** Name of a weight in the file -> names for it that are absent from the file; weights without such names are not listed. */
export function tiedNames(
  names: { has(name: string): boolean; keys(): Iterable<string> },
  facts: ModelFacts = {},
): Map<string, string[]> {
  const all = [...names.keys()];
  const some = onceFor(all);
  const tied = new Map<string, Set<string>>();
  const add = (kept: string, absent: string) => {
    if (!names.has(kept) || names.has(absent)) return;
    const absentNames = tied.get(kept) ?? new Set();
    tied.set(kept, absentNames.add(absent));
  };
  for (const [absent, kept] of Object.entries(facts.metadata ?? {})) add(kept, absent);
  for (const [shared, prefix] of [
    ["shared.weight", ""],
    ["model.shared.weight", "model."],
  ]) {
    for (const side of [`${prefix}encoder.`, `${prefix}decoder.`])
      if (some(side)) add(shared, `${side}embed_tokens.weight`);
  }
  for (const table of all) {
    const head = headOf(table, some, facts.config);
    if (head !== undefined) add(table, head);
  }
  return new Map([...tied].map(([kept, absent]) => [kept, [...absent]]));
}

/** Whether some name of the file begins so, or fits. */
type SomeName = (begin: string | RegExp) => boolean;

/** Each question is answered once: there may be as many tables that ask it as names. */
function onceFor(all: readonly string[]): SomeName {
  const answers = new Map<string | RegExp, boolean>();
  return (begin) => {
    const known = answers.get(begin);
    if (known !== undefined) return known;
    const answer = all.some((name) => (typeof begin === "string" ? name.startsWith(begin) : begin.test(name)));
    answers.set(begin, answer);
    return answer;
  };
}

/** The head that the table would be tied to, whether the file has it or not. */
function headOf(table: string, some: SomeName, config: ModelFacts["config"]): string | undefined {
  const rules = ties.filter((tie) => tie.table.test(table));
  if (rules.length === 0 || !tiesWords(config)) return undefined;
  // With a shared table, the sides' own tables are views of it.
  if (/embed_tokens/.test(table) && some(sharedTable)) return undefined;
  const bySign = rules.find(({ sign }) => sign !== undefined && some(sign));
  const rule = bySign ?? rules.find(({ sign }) => sign === undefined);
  if (!rule || (!bySign && !isLanguageModel(table, some, config))) return undefined;
  return table.replace(rule.table, rule.head);
}

function tiesWords(config: ModelFacts["config"]): boolean {
  const text = config?.text_config as Record<string, unknown> | undefined;
  return (config?.tie_word_embeddings ?? text?.tie_word_embeddings) !== false;
}

/** A model that ends in a head onto the vocabulary: by what config.json calls it, else because it ends in nothing else. */
function isLanguageModel(table: string, some: SomeName, config: ModelFacts["config"]): boolean {
  const { architectures } = config ?? {};
  if (Array.isArray(architectures) && architectures.length > 0)
    return architectures.some((each) => typeof each === "string" && withHead.test(each));
  return !needsConfig.test(table) && !some(otherHead);
}
