/**
 * The normaliser of SentencePiece ("Precompiled": XLNet, ALBERT, T5, XLM-RoBERTa): a table of replacements, found by a trie. As the library
 * of Python has it: in a cluster of characters (Unicode's extended grapheme clusters) of fewer than 6 bytes the shortest beginning that
 * is in the table replaces all of it, marks behind it too; in others each character is looked up by itself.
 */
import { UnlikePart } from "./tokenizer-parts.js";

const mostBytes = 6;

/**
 * @param charsmap in base64: the trie's bytes (u32), the trie (u32 each, all little-endian), replacements in UTF-8 that end with a 0
 * @returns a function from text to text. Cost: a look into a map for each character; memory grows with the distinct ones.
 * @throws {UnlikePart} when it is damaged
 */
export function charsmapNormalizer(charsmap: string): (text: string) => string {
  const { trie, replacements } = parsed(charsmap);
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  const known = new Map<string, string | undefined>();

  /** A double array (Aoe, "An efficient digital search algorithm", 1989), its units as Darts-clone packs them. */
  const lookUp = (bytes: Uint8Array): string | undefined => {
    let at = offsetOf(trie[0]);
    for (const byte of bytes) {
      if (byte === 0) return undefined;
      at ^= byte;
      const unit = trie[at] ?? 0;
      if ((unit & 0x800000ff) !== byte) return undefined;
      at ^= offsetOf(unit);
      if (!((unit >>> 8) & 1)) continue;
      const from = trie[at] & 0x7fffffff;
      return decoder.decode(replacements.subarray(from, replacements.indexOf(0, from)));
    }
    return undefined;
  };
  const found = (chars: string): string | undefined => {
    if (known.has(chars)) return known.get(chars);
    const bytes = encoder.encode(chars);
    const replacement = bytes.length < mostBytes ? lookUp(bytes) : undefined;
    known.set(chars, replacement);
    return replacement;
  };
  const ofCluster = (cluster: string) => found(cluster) ?? Array.from(cluster, (char) => found(char) ?? char).join("");
  return (text) => Array.from(clusters(text), ofCluster).join("");
}

function* clusters(text: string): Iterable<string> {
  // Of ASCII each character is one, but for \r\n.
  if (/^[\0-\x0c\x0e-\x7f]*$/.test(text)) yield* text;
  else for (const { segment } of new Intl.Segmenter("en", { granularity: "grapheme" }).segment(text)) yield segment;
}

const offsetOf = (unit: number) => (unit >>> 10) << ((unit & 0x200) >>> 6);

function parsed(charsmap: string): { trie: Uint32Array; replacements: Uint8Array } {
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.from(atob(charsmap), (char) => char.charCodeAt(0));
  } catch {
    throw new UnlikePart("its precompiled_charsmap is damaged");
  }
  const view = new DataView(bytes.buffer);
  const size = bytes.length > 4 ? view.getUint32(0, true) : 0;
  if (size === 0 || size % 4 !== 0 || size + 4 >= bytes.length || bytes.at(-1) !== 0)
    throw new UnlikePart("its precompiled_charsmap is damaged");
  const trie = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
  return { trie, replacements: bytes.subarray(4 + size) };
}
