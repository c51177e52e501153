// What a model is calibrated on, made into its inputs. Tokenizers come along with this, so it is loaded when there are texts.
import { Tokenizer } from "@huggingface/tokenizers";
import { InvalidInputError } from "loewner";
import { blobSource, type OnnxModel, readNpz } from "loewner/formats";
import { arrayFeeds, type Feed, textFeeds, textTokenizer } from "loewner/model";
import { checkTextBytes, evenly, isTextFile, textsIn } from "loewner/model/calibrate/text-files.js";
import type { CalibrationTexts } from "./protocol.js";
import type { Run } from "./serve.js";

export interface CalibrationFeeds {
  readonly feeds: readonly Feed[];
  /** In words: "200 of 1000 texts of notes.txt". */
  readonly source: string;
}

/** As the command line reads the same files: arrays first, then texts, at most so many of them. */
export async function calibrationFeeds(
  model: OnnxModel,
  { pasted, files, columns, most }: CalibrationTexts,
  tokenizer: File | undefined,
  { signal, onProgress }: Run,
): Promise<CalibrationFeeds> {
  const feeds: Feed[] = [];
  const sources: string[] = [];
  for (const file of files.filter(({ name }) => !isTextFile(name))) {
    const given = [...(await readNpz(blobSource(file)))].map(
      ([name, array]) => [name, { ...array, source: file.name }] as const,
    );
    feeds.push(...(await arrayFeeds(model, Object.fromEntries(given))));
    sources.push(file.name);
  }
  const texts = pasted.split(/\r?\n/).filter((text) => text.trim() !== "");
  const names = texts.length ? ["what was pasted"] : [];
  for (const file of files.filter(({ name }) => isTextFile(name))) {
    checkTextBytes(file.name, file.size);
    const bytes = new Uint8Array(await file.arrayBuffer());
    texts.push(...(await textsIn(file.name, bytes, columns.length ? columns : undefined)));
    names.push(file.name);
  }
  if (names.length) {
    if (!tokenizer) throw new InvalidInputError(withoutTokenizer(model));
    onProgress({ stage: "cutting texts into tokens", done: 0, total: 1 });
    const cutting = textTokenizer(Tokenizer, new Uint8Array(await tokenizer.arrayBuffer()), tokenizer.name);
    const used = evenly(texts, most);
    feeds.push(...(await textFeeds(model, used, { tokenizer: cutting, signal })));
    const count = used.length < texts.length ? `${used.length} of ${texts.length}` : `${texts.length}`;
    sources.push(`${count} ${texts.length === 1 ? "text" : "texts"} of ${names.join(", ")}`);
  }
  return { feeds, source: sources.join(", ") };
}

const withoutTokenizer = ({ source: { name } }: OnnxModel) =>
  `${name} is given numbers, not texts: its tokenizer.json cuts texts into these. Drop it here too, it lies beside the model where that came from; or take the texts away, and nothing else is needed.`;
