import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { roleOf, weightRoles, type WeightRole } from "../../src/model/safetensors/architectures.js";
import { tiedNames, type ModelFacts } from "../../src/model/safetensors/tied-weights.js";

type Row = readonly [name: string, shape: readonly number[], role: WeightRole];

// Names and shapes as the checkpoints on the hub have them.
const models: Record<string, readonly Row[]> = {
  "bert-base-uncased": [
    ["bert.embeddings.word_embeddings.weight", [30522, 768], "embedding"],
    ["bert.embeddings.position_embeddings.weight", [512, 768], "position"],
    ["bert.embeddings.token_type_embeddings.weight", [2, 768], "position"],
    ["bert.embeddings.LayerNorm.gamma", [768], "other"],
    ["bert.embeddings.position_ids", [1, 512], "other"],
    ["bert.encoder.layer.0.attention.self.query.weight", [768, 768], "linear"],
    ["bert.encoder.layer.0.attention.output.dense.weight", [768, 768], "linear"],
    ["bert.encoder.layer.0.intermediate.dense.weight", [3072, 768], "linear"],
    ["bert.pooler.dense.weight", [768, 768], "linear"],
    ["cls.predictions.transform.dense.weight", [768, 768], "linear"],
    ["cls.predictions.decoder.weight", [30522, 768], "head"],
    ["cls.predictions.bias", [30522], "other"],
    ["cls.seq_relationship.weight", [2, 768], "linear"],
  ],
  "roberta, xlm-roberta, camembert, mpnet": [
    ["roberta.embeddings.word_embeddings.weight", [250002, 768], "embedding"],
    ["roberta.embeddings.position_embeddings.weight", [514, 768], "position"],
    ["mpnet.encoder.relative_attention_bias.weight", [32, 12], "position"],
    ["lm_head.dense.weight", [768, 768], "linear"],
    ["lm_head.decoder.weight", [250002, 768], "head"],
    ["classifier.out_proj.weight", [2, 768], "linear"],
  ],
  distilbert: [
    ["distilbert.embeddings.word_embeddings.weight", [30522, 768], "embedding"],
    ["distilbert.transformer.layer.0.attention.q_lin.weight", [768, 768], "linear"],
    ["distilbert.transformer.layer.0.ffn.lin1.weight", [3072, 768], "linear"],
    ["vocab_transform.weight", [768, 768], "linear"],
    ["vocab_projector.weight", [30522, 768], "head"],
    ["pre_classifier.weight", [768, 768], "linear"],
  ],
  albert: [
    ["albert.embeddings.word_embeddings.weight", [30000, 128], "embedding"],
    ["albert.encoder.embedding_hidden_mapping_in.weight", [4096, 128], "linear"],
    ["albert.encoder.albert_layer_groups.0.albert_layers.0.ffn_output.weight", [4096, 16384], "linear"],
    ["predictions.dense.weight", [128, 4096], "linear"],
    ["predictions.decoder.weight", [30000, 128], "head"],
  ],
  electra: [
    ["electra.embeddings.word_embeddings.weight", [30522, 128], "embedding"],
    ["electra.embeddings_project.weight", [256, 128], "linear"],
    ["generator_predictions.dense.weight", [128, 256], "linear"],
    ["generator_lm_head.weight", [30522, 128], "head"],
    ["discriminator_predictions.dense_prediction.weight", [1, 256], "linear"],
  ],
  deberta: [
    ["deberta.embeddings.word_embeddings.weight", [128100, 768], "embedding"],
    ["deberta.encoder.rel_embeddings.weight", [512, 768], "position"],
    ["deberta.encoder.layer.0.attention.self.pos_q_proj.weight", [768, 768], "linear"],
    ["deberta.encoder.layer.0.attention.self.pos_proj.weight", [768, 768], "linear"],
    ["lm_predictions.lm_head.dense.weight", [768, 768], "linear"],
  ],
  gpt2: [
    ["wte.weight", [50257, 768], "embedding"],
    ["wpe.weight", [1024, 768], "position"],
    ["h.0.attn.bias", [1, 1, 1024, 1024], "other"],
    ["h.0.attn.c_attn.weight", [768, 2304], "linear"],
    ["h.0.mlp.c_fc.weight", [768, 3072], "linear"],
    ["h.0.mlp.c_proj.weight", [3072, 768], "linear"],
    ["lm_head.weight", [50257, 768], "head"],
  ],
  "gpt-neox, gpt-j": [
    ["gpt_neox.embed_in.weight", [50432, 6144], "embedding"],
    ["gpt_neox.layers.0.attention.query_key_value.weight", [18432, 6144], "linear"],
    ["gpt_neox.layers.0.mlp.dense_h_to_4h.weight", [24576, 6144], "linear"],
    ["embed_out.weight", [50432, 6144], "head"],
    ["transformer.h.0.mlp.fc_in.weight", [16384, 4096], "linear"],
  ],
  opt: [
    ["model.decoder.embed_tokens.weight", [50272, 512], "embedding"],
    ["model.decoder.embed_positions.weight", [2050, 1024], "position"],
    ["model.decoder.project_in.weight", [1024, 512], "linear"],
    ["model.decoder.project_out.weight", [512, 1024], "linear"],
    ["model.decoder.layers.0.self_attn.k_proj.weight", [1024, 1024], "linear"],
  ],
  "bloom, falcon": [
    ["transformer.word_embeddings.weight", [250880, 1024], "embedding"],
    ["word_embeddings_layernorm.weight", [1024], "other"],
    ["transformer.h.0.self_attention.query_key_value.weight", [3072, 1024], "linear"],
  ],
  "llama, mistral, qwen, gemma, phi, deepseek": [
    ["model.embed_tokens.weight", [128256, 2048], "embedding"],
    ["model.layers.0.self_attn.q_proj.weight", [2048, 2048], "linear"],
    ["model.layers.0.self_attn.k_proj.weight", [512, 2048], "linear"],
    ["model.layers.0.mlp.gate_proj.weight", [8192, 2048], "linear"],
    ["model.layers.0.mlp.shared_experts.down_proj.weight", [2048, 2816], "linear"],
    ["model.layers.0.mlp.shared_expert_gate.weight", [1, 2048], "linear"],
    ["model.layers.0.mlp.gate.weight", [60, 2048], "linear"],
    ["model.layers.0.input_layernorm.weight", [2048], "other"],
    ["lm_head.weight", [32000, 8192], "head"],
    ["transformer.embd.wte.weight", [51200, 2560], "embedding"],
    ["language_model.lm_head.weight", [262208, 2560], "head"],
    ["model.embed_tokens_per_layer.weight", [262144, 7680], "embedding"],
    ["model.tok_embeddings.weight", [92544, 4096], "embedding"],
    ["output.weight", [92544, 4096], "head"],
    ["transformer.output_layer.weight", [65024, 4096], "head"],
    ["model.layers.0.self_attn.q_proj.lora_B.weight", [2048, 8], "linear"],
    ["model.layers.0.self_attn.q_proj.lora_B.default.weight", [2048, 8], "linear"],
  ],
  "mamba, rwkv": [
    ["head.weight", [50277, 768], "head"],
    ["backbone.embeddings.weight", [50280, 768], "embedding"],
    ["backbone.layers.0.mixer.dt_proj.weight", [1536, 48], "linear"],
    ["backbone.layers.0.mixer.A_log", [1536, 16], "other"],
  ],
  t5: [
    ["shared.weight", [32128, 512], "embedding"],
    ["encoder.embed_tokens.weight", [32128, 512], "embedding"],
    ["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", [32, 8], "position"],
    ["encoder.block.0.layer.1.DenseReluDense.wi_0.weight", [1024, 512], "linear"],
    ["decoder.block.0.layer.1.EncDecAttention.q.weight", [384, 512], "linear"],
    ["lm_head.weight", [32128, 512], "head"],
  ],
  "bart, mbart, nllb, marian": [
    ["model.shared.weight", [256206, 1024], "embedding"],
    ["model.encoder.embed_positions.weight", [1026, 1024], "position"],
    ["model.encoder.embed_positions.weights", [1026, 1024], "position"],
    ["model.decoder.layers.0.fc1.weight", [4096, 1024], "linear"],
    ["final_logits_bias", [1, 256206], "other"],
  ],
  whisper: [
    ["model.decoder.embed_tokens.weight", [51865, 384], "embedding"],
    ["model.decoder.embed_positions.weight", [448, 384], "position"],
    ["model.encoder.embed_positions.weight", [1500, 384], "position"],
    ["model.encoder.conv1.weight", [384, 80, 3], "other"],
    ["proj_out.weight", [51865, 384], "head"],
  ],
  "clip, siglip": [
    ["text_model.embeddings.token_embedding.weight", [49408, 512], "embedding"],
    ["text_model.embeddings.position_embedding.weight", [77, 512], "position"],
    ["vision_model.embeddings.position_embedding.weight", [50, 768], "position"],
    ["text_model.head.weight", [768, 768], "linear"],
    ["vision_model.head.attention.in_proj_weight", [2304, 768], "linear"],
    ["text_projection.weight", [512, 512], "linear"],
    ["positional_embedding", [77, 512], "position"],
  ],
  xlm: [
    ["transformer.embeddings.weight", [200000, 1280], "embedding"],
    ["transformer.lang_embeddings.weight", [104, 1280], "position"],
    ["pred_layer.proj.weight", [200000, 1280], "head"],
  ],
  modernbert: [
    ["model.embeddings.tok_embeddings.weight", [50368, 768], "embedding"],
    ["model.layers.0.mlp.Wi.weight", [2304, 768], "linear"],
    ["head.dense.weight", [768, 768], "linear"],
    ["decoder.weight", [50368, 768], "head"],
  ],
  "sentence-transformers, model2vec": [
    ["embeddings.word_embeddings.weight", [250037, 384], "embedding"],
    ["embedding.weight", [30522, 256], "embedding"],
    ["embeddings", [29528, 256], "embedding"],
    ["linear.weight", [128, 384], "linear"],
  ],
  "image models, whose names look alike": [
    ["down_blocks.0.attentions.0.proj_out.weight", [320, 320], "linear"],
    ["proj_out.weight", [64, 3072], "linear"],
    ["layers.0.blocks.0.attn.relative_position_bias_table", [169, 3], "position"],
    ["head.weight", [1000, 768], "linear"],
  ],
};

describe.each(Object.entries(models))("%s", (_model, rows) => {
  test.each(rows)("%s", (name, shape, role) => {
    expect(roleOf(name, shape)).toBe(role);
  });
});

test("names that say nothing are judged by shape", () => {
  expect(roleOf("onnx::MatMul_77", [30000, 300])).toBe("embedding");
  expect(roleOf("onnx::MatMul_77", [800, 300])).toBe("linear");
  expect(roleOf("my/word_table", [10, 300])).toBe("embedding");
});

test("a wrapper in front of a name never changes its role, unless the name stands alone for a head", () => {
  const rows = Object.values(models).flat();
  const atRoot = [
    "proj_out.weight",
    "decoder.weight",
    "output.weight",
    "transformer.output_layer.weight",
    "head.weight",
  ];
  fc.assert(
    fc.property(
      fc.constantFrom(...rows.filter(([name]) => !atRoot.includes(name))),
      fc.constantFrom("model.", "base_model.model.", "text_encoder."),
      ([name, shape, role], wrapper) => {
        expect(roleOf(wrapper + name, shape)).toBe(role);
      },
    ),
  );
});

describe("ties", () => {
  const tensors = (...names: string[]) => new Map(names.map((name) => [name, { shape: [100, 10] }]));
  const tied = (names: string[], facts?: ModelFacts) =>
    [...weightRoles(tensors(...names), facts)].filter(([, each]) => each.tied.length).map(([k, v]) => [k, ...v.tied]);
  const architecture = (name: string, more = {}): ModelFacts => ({ config: { architectures: [name], ...more } });

  test.each<[string, string[], ModelFacts | undefined, string[][]]>([
    ["llama", ["model.embed_tokens.weight"], undefined, [["model.embed_tokens.weight", "lm_head.weight"]]],
    [
      "llama, untied",
      ["model.embed_tokens.weight"],
      architecture("LlamaForCausalLM", { tie_word_embeddings: false }),
      [],
    ],
    ["llama, head stored", ["model.embed_tokens.weight", "lm_head.weight"], undefined, []],
    ["llama, classifier", ["model.embed_tokens.weight", "score.weight"], undefined, []],
    [
      "gemma 3 with images",
      ["language_model.model.embed_tokens.weight"],
      architecture("Gemma3ForConditionalGeneration", { text_config: { tie_word_embeddings: true } }),
      [["language_model.model.embed_tokens.weight", "language_model.lm_head.weight"]],
    ],
    ["gpt2 on its own", ["wte.weight"], undefined, []],
    ["gpt2 base model", ["wte.weight"], architecture("GPT2Model"), []],
    ["gpt2", ["wte.weight"], architecture("GPT2LMHeadModel"), [["wte.weight", "lm_head.weight"]]],
    [
      "bert",
      ["bert.embeddings.word_embeddings.weight", "cls.predictions.bias"],
      architecture("BertForMaskedLM"),
      [["bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"]],
    ],
    ["bert, classifier", ["bert.embeddings.word_embeddings.weight", "classifier.weight"], undefined, []],
    [
      "xlm-roberta",
      ["roberta.embeddings.word_embeddings.weight", "lm_head.dense.weight"],
      undefined,
      [["roberta.embeddings.word_embeddings.weight", "lm_head.decoder.weight"]],
    ],
    [
      "distilbert",
      ["distilbert.embeddings.word_embeddings.weight", "vocab_transform.weight"],
      undefined,
      [["distilbert.embeddings.word_embeddings.weight", "vocab_projector.weight"]],
    ],
    [
      "albert",
      ["albert.embeddings.word_embeddings.weight", "predictions.dense.weight"],
      undefined,
      [["albert.embeddings.word_embeddings.weight", "predictions.decoder.weight"]],
    ],
    [
      "modernbert",
      ["model.embeddings.tok_embeddings.weight", "head.dense.weight"],
      undefined,
      [["model.embeddings.tok_embeddings.weight", "decoder.weight"]],
    ],
    [
      "t5",
      [
        "shared.weight",
        "encoder.block.0.layer.0.SelfAttention.q.weight",
        "decoder.block.0.layer.0.SelfAttention.q.weight",
      ],
      architecture("T5ForConditionalGeneration"),
      [["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"]],
    ],
    [
      "t5 encoder",
      ["shared.weight", "encoder.block.0.layer.0.SelfAttention.q.weight"],
      architecture("T5EncoderModel"),
      [["shared.weight", "encoder.embed_tokens.weight"]],
    ],
    [
      "nllb",
      ["model.shared.weight", "model.encoder.layers.0.fc1.weight", "model.decoder.layers.0.fc1.weight"],
      architecture("M2M100ForConditionalGeneration"),
      [
        [
          "model.shared.weight",
          "model.encoder.embed_tokens.weight",
          "model.decoder.embed_tokens.weight",
          "lm_head.weight",
        ],
      ],
    ],
    [
      "whisper",
      ["model.decoder.embed_tokens.weight", "model.encoder.conv1.weight"],
      undefined,
      [["model.decoder.embed_tokens.weight", "proj_out.weight"]],
    ],
    [
      "opt",
      ["model.decoder.embed_tokens.weight"],
      undefined,
      [["model.decoder.embed_tokens.weight", "lm_head.weight"]],
    ],
    [
      "bloom",
      ["transformer.word_embeddings.weight"],
      undefined,
      [["transformer.word_embeddings.weight", "lm_head.weight"]],
    ],
    ["gpt-neox", ["gpt_neox.embed_in.weight", "embed_out.weight"], undefined, []],
    ["sentence-transformers", ["embeddings.word_embeddings.weight", "pooler.dense.weight"], undefined, []],
    [
      "save_model says so",
      ["left.weight"],
      { metadata: { format: "pt", "right.weight": "left.weight", "gone.weight": "nowhere.weight" } },
      [["left.weight", "right.weight"]],
    ],
  ])("%s", (_name, names, facts, expected) => {
    expect(tied(names, facts)).toEqual(expected);
  });

  test("a head that is tied to a table is one by its name", () => {
    const names = ["model.embed_tokens.weight", "transformer.wte.weight", "backbone.embeddings.weight"];
    for (const name of names) {
      const { tied: heads } = weightRoles(tensors(name)).get(name)!;
      expect(heads.map((head) => roleOf(head, [100, 10]))).toEqual(["head"]);
    }
  });
});

describe("names that a file need not stop at", () => {
  // None of these would end in an hour if a name's length, or the number of names, were squared.
  test("a name of a million characters", () => {
    for (const piece of ["_wpe", "wpe_", "_position", "proj", "lin1", "word_", "a.", ".h.0.attn", "embed_", "\n"]) {
      const long = piece.repeat(Math.ceil(1e6 / piece.length));
      for (const name of [long, `${long}\n`, `${long}.weight`, `${long}!`]) roleOf(name, [8, 2]);
    }
    expect(roleOf(`${"_wpe".repeat(250_000)}_`, [8, 2])).toBe("position");
  });

  test("a hundred thousand tables", () => {
    const tables = Array.from({ length: 1e5 }, (_, i) => `m${i}.embeddings.word_embeddings.weight`);
    const metadata = Object.fromEntries(Array.from({ length: 1e5 }, (_, i) => [`other${i}`, tables[0]]));
    const tied = tiedNames(new Set([...tables, "lm_head.bias"]), { metadata });
    expect(tied.get(tables[0])).toHaveLength(1e5 + 1);
    expect(tied.get(tables[1])).toEqual(["lm_head.decoder.weight"]);
  });
});

describe("Conv1D", () => {
  const transposed = (shapes: Record<string, number[]>) =>
    [...weightRoles(new Map(Object.entries(shapes).map(([name, shape]) => [name, { shape }])))]
      .filter(([, each]) => each.transposed)
      .map(([name]) => name);

  test("GPT-2 stores inputs x outputs", () => {
    expect(
      transposed({
        "transformer.wte.weight": [50257, 768],
        "transformer.h.0.attn.c_attn.weight": [768, 2304],
        "transformer.h.0.attn.c_proj.weight": [768, 768],
        "transformer.h.0.mlp.c_proj.weight": [3072, 768],
      }),
    ).toEqual([
      "transformer.h.0.attn.c_attn.weight",
      "transformer.h.0.attn.c_proj.weight",
      "transformer.h.0.mlp.c_proj.weight",
    ]);
  });

  test("StarCoder and Qwen 1 use the names for linear layers", () => {
    expect(
      transposed({
        "transformer.h.0.attn.c_attn.weight": [6400, 6144],
        "transformer.h.0.attn.c_proj.weight": [6144, 6144],
      }),
    ).toEqual([]);
  });
});
