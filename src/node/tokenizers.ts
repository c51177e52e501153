/** Cuts texts into tokens with @huggingface/tokenizers, which is no dependency of this package: it is loaded where it is installed. */
import { InvalidInputError } from "../errors.js";
import { jsonBytes, type LimitOptions } from "../formats/limits.js";
import { textTokenizer, type TextTokenizer, type TokenizerClass } from "../model/calibrate/text-tokenizer.js";
import { openFile } from "./files/file.js";
import { importInstalled } from "./installed.js";

const packageName = "@huggingface/tokenizers";

/**
 * The tokenizer of a tokenizer.json.
 * @throws {InvalidInputError} when @huggingface/tokenizers is not installed: the message has the command that installs it.
 * @throws {FileError} when the file cannot be read.
 * @throws {InvalidFormatError} when it is no tokenizer.json, or has parts that the package does not know.
 * @throws {LimitError} when it holds more than the limits allow.
 */
export async function loadTokenizer(path: string, options: LimitOptions = {}): Promise<TextTokenizer> {
  const found = await importInstalled<{ Tokenizer: TokenizerClass }>(packageName, "Tokenizer");
  if (!found) {
    throw new InvalidInputError(
      `${packageName} is not installed, and cutting texts into tokens needs it. Install it: npm install ${packageName}`,
      { file: packageName },
    );
  }
  const source = await openFile(path);
  try {
    return textTokenizer(found.Tokenizer, await jsonBytes(source, options), path, options);
  } finally {
    await source.close();
  }
}
