/**
 * What the package @huggingface/tokenizers does otherwise than the library of Python is put here in terms that both read alike: parts of a
 * tokenizer.json go in, and parts come out by which the package cuts texts as the library does. What has no such terms is refused.
 *
 * The library's tables are of Unicode 8 to 16, by part, those of an engine its own: letters and marks of rare scripts that came later may
 * fall into other tokens.
 */

type Json = Record<string, unknown>;

/** Why a tokenizer cannot be used, in words. */
export class UnlikePart extends Error {}

/** White space of Unicode; \s of JavaScript has U+FEFF too, and lacks U+0085. */
const space = "\\p{White_Space}";
const punctuation = "\\p{P}\\u0021-\\u002F\\u003A-\\u0040\\u005B-\\u0060\\u007B-\\u007E";
const word = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}";
const bytePieces = `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${space}\\p{L}\\p{N}]+|${space}+(?!\\P{White_Space})|${space}+`;
/** Chinese characters outside of the first 65,536, which the package takes for two. */
const farChinese = "[\\x{20000}-\\x{2A6DF}\\x{2A700}-\\x{2B81F}\\x{2B920}-\\x{2CEAF}\\x{2F800}-\\x{2FA1F}]";

const regex = (Regex: string) => ({ Regex });
const replace = (pattern: string, content: string): Json => ({ type: "Replace", pattern: regex(pattern), content });
const split = (pattern: string, behavior: "Isolated" | "Removed", invert = false): Json => ({
  ...{ type: "Split", pattern: regex(pattern), behavior, invert },
});

/** @throws {UnlikePart} */
export function likeNormalizer(part: unknown): unknown {
  if (!isObject(part)) return part;
  // At the end of a word JavaScript makes another small sigma of it.
  const sigma = replace("\u03a3", "\u03c3");
  switch (part.type) {
    case "Sequence":
      return { ...part, normalizers: list(part.normalizers).map(likeNormalizer) };
    case "Lowercase":
      return { type: "Sequence", normalizers: [sigma, part] };
    case "BertNormalizer": {
      const normalizers = part.handle_chinese_chars ? [replace(farChinese, " $& ")] : [];
      return { type: "Sequence", normalizers: [...normalizers, ...(part.lowercase ? [sigma] : []), part] };
    }
    case "Strip": {
      const left = part.strip_left ? [replace(`\\A${space}+`, "")] : [];
      return { type: "Sequence", normalizers: [...left, ...(part.strip_right ? [replace(`${space}+\\z`, "")] : [])] };
    }
    default:
      return part;
  }
}

/** @throws {UnlikePart} */
export function likePreTokenizer(part: unknown): unknown {
  if (!isObject(part)) return part;
  const sequence = (...pretokenizers: unknown[]) => ({ type: "Sequence", pretokenizers });
  switch (part.type) {
    case "Sequence":
      return { ...part, pretokenizers: list(part.pretokenizers).map(likePreTokenizer) };
    case "BertPreTokenizer":
      return sequence(split(`${space}+`, "Removed"), split(`[${punctuation}]`, "Isolated"));
    case "ByteLevel": {
      if (part.use_regex === false) return part;
      // It puts a space before, and replaces each by itself. (By an expression V8 would put some within pairs of surrogates.)
      const begin = part.add_prefix_space ? [{ type: "Metaspace", replacement: " ", prepend_scheme: "always" }] : [];
      return sequence(...begin, split(bytePieces, "Isolated"), { ...part, use_regex: false, add_prefix_space: false });
    }
    case "Digits":
      return split(part.individual_digits ? "\\p{N}" : "\\p{N}+", "Isolated");
    case "Metaspace":
      return metaspace(part);
    case "Punctuation": {
      const behavior = part.behavior ?? "Isolated";
      if (behavior === "Contiguous") return split(`[${punctuation}]+`, "Isolated");
      if (behavior !== "Isolated" && behavior !== "Removed") throw unlike(part, "behavior");
      return split(`[${punctuation}]`, behavior);
    }
    case "Split": {
      if (part.behavior === "Isolated") return { ...part, invert: false };
      if (part.behavior !== "Removed") throw unlike(part, "behavior");
      return part;
    }
    case "Whitespace":
      return split(`[${word}]+|[^${word}${space}]+`, "Removed", true);
    case "WhitespaceSplit":
      return split(`${space}+`, "Removed");
    case "FixedLength":
      throw unlike(part, "length");
    default:
      return part;
  }
}

/** Older files say add_prefix_space; by the library every word is a piece of its own, by the package all words together. */
function metaspace(part: Json): Json {
  const { replacement = "\u2581", prepend_scheme = part.add_prefix_space === false ? "never" : "always" } = part;
  if (typeof replacement !== "string" || [...replacement].length !== 1) throw unlike(part, "replacement");
  const own = { ...part, replacement, prepend_scheme, str_rep: replacement };
  if (part.split === false) return own;
  const mark = `\\x{${replacement.codePointAt(0)!.toString(16)}}`;
  return { type: "Sequence", pretokenizers: [own, split(`${mark}[^${mark}]*`, "Isolated")] };
}

/**
 * Whether the model and the added tokens are used alike.
 * @throws {UnlikePart}
 */
export function checkModel({ model, pre_tokenizer, added_tokens }: Json): void {
  if (!isObject(model)) return;
  if (model.continuing_subword_prefix && model.merges !== undefined)
    throw new UnlikePart(
      `its BPE has a prefix of continuing pieces (${JSON.stringify(model.continuing_subword_prefix)})`,
    );
  if (model.dropout) throw new UnlikePart("its BPE leaves out merges by chance (dropout)");
  const isUnigram = Array.isArray(model.vocab);
  if (isUnigram && model.byte_fallback) throw new UnlikePart("its Unigram falls back on bytes");
  // Unknown characters are joined: by the library within a word, by the package over words, unless a known mark begins each.
  const joins = isUnigram || Boolean(model.fuse_unk && model.unk_token && !model.byte_fallback);
  if (joins && splits(pre_tokenizer) && !(isMetaspace(pre_tokenizer) && knows(model.vocab, "\u2581")))
    throw new UnlikePart("it joins unknown characters, and its words do not begin with a mark that it knows");
  const whole = list(added_tokens).find((token) => isObject(token) && token.single_word);
  if (isObject(whole)) throw new UnlikePart(`its token ${JSON.stringify(whole.content)} counts between spaces only`);
}

function splits(part: unknown): boolean {
  if (!isObject(part)) return false;
  return part.type === "Sequence" ? list(part.pretokenizers).some(splits) : part.split !== false;
}

/** Behind others, which may have taken the spaces away, it must put its mark before every word by itself. */
function isMetaspace(part: unknown, isBehind = false): boolean {
  if (!isObject(part)) return false;
  if (part.type === "Sequence") return isMetaspace(list(part.pretokenizers).at(-1), true);
  const always = part.prepend_scheme === undefined ? part.add_prefix_space !== false : part.prepend_scheme === "always";
  return part.type === "Metaspace" && (part.replacement ?? "\u2581") === "\u2581" && (always || !isBehind);
}

function knows(vocab: unknown, token: string): boolean {
  if (Array.isArray(vocab)) return vocab.some((entry) => Array.isArray(entry) && entry[0] === token);
  return isObject(vocab) && Object.hasOwn(vocab, token);
}

function unlike(part: Json, field: string): UnlikePart {
  return new UnlikePart(
    `its ${String(part.type)} with ${field} ${JSON.stringify(part[field]) ?? "left out"} is not the library's`,
  );
}

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
