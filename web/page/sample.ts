// A made-up classifier: a table of words of which a few lie far from all others, as they do in trained models, and a tokenizer that
// names them. Written as protocol buffers by hand, for the page has no builder of graphs.

const words = 6000;
const width = 96;
const classes = 4;
/** Ordinary rows lie along many directions, less and less; one row in so many lies along a few others. */
const ordinary = 60;
const far = 16;
const farEvery = 300;

/** model.onnx and tokenizer.json; the same bytes every time. */
export function sampleFiles(): File[] {
  return [
    new File([model()], "sample.onnx", { type: "application/octet-stream" }),
    new File([JSON.stringify(tokenizer())], "tokenizer.json", { type: "application/json" }),
  ];
}

/** Numbers around 0, of spread about 1, by sums and a generator of 32 bits: no engine rounds them otherwise. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
  return () => (uniform() + uniform() + uniform() + uniform() - 2) * Math.sqrt(3);
}

function table(): Float32Array {
  const random = generator(7);
  const axes = Float32Array.from({ length: (ordinary + far) * width }, () => random() / Math.sqrt(width));
  const rows = new Float32Array(words * width);
  for (let i = 0; i < words; ++i) {
    const isFar = i % farEvery === farEvery - 1;
    const [first, count] = isFar ? [ordinary, far] : [0, ordinary];
    for (let k = 0; k < count; ++k) {
      const weight = random() * (isFar ? 6 : 1 / (1 + 0.06 * k));
      for (let j = 0; j < width; ++j) rows[i * width + j] += weight * axes[(first + k) * width + j];
    }
    for (let j = 0; j < width; ++j) rows[i * width + j] += 0.02 * random();
  }
  return rows;
}

function tokenizer() {
  const syllables = "ka lo mi ne ru so ta vi be du fa go".split(" ");
  const word = (i: number) => {
    const [a, b, c, d] = [i % 12, Math.floor(i / 12) % 12, Math.floor(i / 144) % 12, Math.floor(i / 1728)];
    return [d, c, b, a].map((at) => syllables[at]).join("");
  };
  const vocab = Object.fromEntries(Array.from({ length: words }, (_, i) => [word(i), i]));
  return { version: "1.0", added_tokens: [], model: { type: "WordLevel", vocab, unk_token: word(0) } };
}

/** logits = mean over the words of table[ids], times a matrix. */
function model(): Uint8Array<ArrayBuffer> {
  const random = generator(11);
  const head = Float32Array.from({ length: width * classes }, () => random() / 8);
  const graph = [
    node("Gather", ["embeddings.word_embeddings.weight", "input_ids"], "rows"),
    node("ReduceMean", ["rows"], "mean", [ints("axes", [1]), int("keepdims", 0)]),
    node("MatMul", ["mean", "classifier.weight"], "logits"),
    field(2, "sample"),
    field(5, tensor("embeddings.word_embeddings.weight", [words, width], table())),
    field(5, tensor("classifier.weight", [width, classes], head)),
    field(11, value("input_ids", INT64, ["batch", "sequence"])),
    field(12, value("logits", FLOAT, ["batch", classes])),
  ];
  return join([number(1, 8), field(2, "loewner"), field(7, join(graph)), field(8, join([number(2, 13)]))]);
}

// onnx.proto, as far as it is needed.
const [FLOAT, INT64] = [1, 7];
const [INT, INTS] = [2, 7];

function node(type: string, inputs: readonly string[], output: string, attributes: Uint8Array[] = []): Uint8Array {
  return field(1, join([...inputs.map((name) => field(1, name)), field(2, output), field(4, type), ...attributes]));
}
const int = (name: string, of: number) => field(5, join([field(1, name), number(3, of), number(20, INT)]));
const ints = (name: string, of: readonly number[]) =>
  field(5, join([field(1, name), ...of.map((x) => number(8, x)), number(20, INTS)]));

function tensor(name: string, dims: readonly number[], data: Float32Array): Uint8Array {
  const bytes = new Uint8Array(data.buffer);
  return join([...dims.map((n) => number(1, n)), number(2, FLOAT), field(8, name), field(9, bytes)]);
}

function value(name: string, type: number, dims: readonly (string | number)[]): Uint8Array {
  const sizes = dims.map((n) => field(1, typeof n === "string" ? field(2, n) : number(1, n)));
  return join([field(1, name), field(2, field(1, join([number(1, type), field(2, join(sizes))])))]);
}

function field(tag: number, content: string | Uint8Array): Uint8Array {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return join([varint((tag << 3) | 2), varint(bytes.length), bytes]);
}
const number = (tag: number, of: number) => join([varint(tag << 3), varint(of)]);

function varint(of: number): Uint8Array {
  const bytes: number[] = [];
  for (; of > 127; of = Math.floor(of / 128)) bytes.push((of % 128) | 128);
  return Uint8Array.from([...bytes, of]);
}

function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
