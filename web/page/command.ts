// The command that does the same: for larger files, and for scripts.
import type { CalibrationTexts, Choice, Prediction, Summary } from "../session/protocol.js";
import { usualP, usualTexts } from "./calibration.js";
import { asGlob } from "../session/glob.js";
import { smallName } from "../session/small-name.js";

/** As a shell takes it for one word. */
export const quoted = (text: string) => (/^[\w./:=@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** What pasted texts are called on the command line. */
export const pastedName = "pasted.txt";

/**
 * @param predicted tells the rank that a size makes, which a matrix is compressed by
 * @param texts what it is calibrated on
 */
export function commandFor(
  summary: Summary,
  choice: Choice,
  predicted: Prediction | undefined,
  texts: CalibrationTexts | undefined,
): string {
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
    if ("keep" in size) words.push(`--keep ${size.keep}`);
    else if ("bytes" in size) words.push(`--bytes ${size.bytes}`);
    else if ("cosine" in size) words.push(`--cosine ${size.cosine}`);
    else if (size.quality !== "high") words.push(`--quality ${size.quality}`);
    // Unless each layer is given a size the command takes all layers. How they are stored is open, if it is not told, nor how factors are fitted.
    const isShared = !("keep" in size);
    const isUsual = (which: "inAll" | "byDefault") => isChosen(layers, choice, which);
    if (!isUsual(isShared ? "inAll" : "byDefault"))
      words.push(
        ...(isUsual("inAll") ? ["--layers all"] : choice.layers.map((each) => `--layers ${quoted(asGlob(each))}`)),
      );
    const own = layers.find(({ name: each }) => choice.layers.includes(each))?.dtype.toLowerCase();
    if (type === "own") words.push(...(own ? [`--dtype ${own}`] : []));
    else if (type !== "auto" || (!isShared && method !== "auto")) words.push(`--dtype ${type}`);
    if (texts) words.push(...calibrationWords(texts, summary));
  }
  if (p !== 1) words.push(`--p ${p}`);
  if (method !== "auto") words.push(`--method ${method}`);
  return words.join(" ");
}

/** With the runtime of the page, so that the bytes are the same. */
function calibrationWords({ pasted, files, columns, most, p }: CalibrationTexts, { tokenizer }: Summary): string[] {
  const names = [...(pasted === "" ? [] : [pastedName]), ...files.map(({ name }) => name)];
  const hasTexts = names.some((name) => !/\.npz$/i.test(name));
  return [
    ...names.map((name) => `--calibrate ${quoted(name)}`),
    ...(hasTexts ? [`--tokenizer ${quoted(tokenizer ?? "tokenizer.json")}`] : []),
    ...columns.map((column) => `--column ${quoted(column)}`),
    ...(most === usualTexts ? [] : [`--texts ${most}`]),
    ...(p === usualP ? [] : [`--calibration-p ${p}`]),
    "--runtime web",
  ];
}

function isChosen(layers: Summary["layers"], { layers: chosen }: Choice, which: "inAll" | "byDefault"): boolean {
  const usual = layers.filter(({ [which]: is, blocked }) => is && blocked === undefined);
  return usual.length === chosen.length && usual.every(({ name }) => chosen.includes(name));
}
