// A finished layer as text and bytes, and back: every bit of what is written into the output, and what is reported.
import type { ByteSource } from "../formats/index.js";
import { infinityAsText, textAsInfinity } from "./json.js";
import { packValue, unpackValue } from "./kinds/index.js";
import type { JournalPart } from "./kinds/kind.js";
import type { StoredLayer } from "./stored.js";

export type { JournalPart };

/** Of what is kept of a layer; entries of another are computed anew. */
export const entryVersion = 2;

/** Without the name, which may be any text, "Infinity" too. */
type LayerText = Omit<StoredLayer, "name" | "value"> & { value: object };

export async function packLayer({ value, ...rest }: StoredLayer): Promise<{ text: string; parts: JournalPart[] }> {
  const { text, parts } = await packValue(value);
  return { text: JSON.stringify({ ...rest, name: undefined, value: text }, infinityAsText), parts };
}

export async function unpackLayer(name: string, text: string, parts: readonly ByteSource[]): Promise<StoredLayer> {
  const { value, ...rest } = JSON.parse(text, textAsInfinity) as LayerText;
  return { ...rest, name, value: await unpackValue(value, parts, name) };
}
