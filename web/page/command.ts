// The command that does the same: for larger files, and for scripts.
import type { Choice, Prediction, Summary } from "../session/protocol.js";
import { asGlob } from "../session/glob.js";
import { smallName } from "../session/small-name.js";

const quoted = (text: string) => (/^[\w./:=@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** @param predicted tells the rank that a size makes, which a matrix is compressed by */
export function commandFor(summary: Summary, choice: Choice, predicted: Prediction | undefined): string {
  const { format, name, layers } = summary;
  const { size, p, method, type } = choice;
  const words = ["npx loewner"];
  if (format === "npy") {
    const stem = name.replace(/\.npy$/i, "");
    words.push("low-rank", quoted(name));
    words.push("keep" in size ? `--keep ${size.keep}` : `--rank ${predicted?.layers[0]?.rank ?? "K"}`);
    words.push(`--left ${quoted(`${stem}.left.npy`)} --right ${quoted(`${stem}.right.npy`)}`);
  } else {
    words.push("compress", quoted(name), "-o", quoted(smallName(name)));
    words.push("keep" in size ? `--keep ${size.keep}` : `--bytes ${size.bytes}`);
    // For a size of the whole the command takes all layers, and stores them in whatever way errs least, unless told.
    const isOfFile = "bytes" in size;
    if (isOfFile || !isDefault(layers, choice)) {
      const all = layers.filter(({ blocked }) => blocked === undefined).length === choice.layers.length;
      words.push(...(all ? ["--layers all"] : choice.layers.map((each) => `--layers ${quoted(asGlob(each))}`)));
    }
    const own = layers.find(({ name: each }) => choice.layers.includes(each))?.dtype.toLowerCase();
    if (type !== "own") words.push(`--dtype ${type}`);
    else if (isOfFile && own) words.push(`--dtype ${own}`);
  }
  if (p !== 1) words.push(`--p ${p}`);
  if (method !== "auto") words.push(`--method ${method}`);
  return words.join(" ");
}

function isDefault(layers: Summary["layers"], { layers: chosen }: Choice): boolean {
  const usual = layers.filter(({ byDefault, blocked }) => byDefault && blocked === undefined);
  return usual.length === chosen.length && usual.every(({ name }) => chosen.includes(name));
}
