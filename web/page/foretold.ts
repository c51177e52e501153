// What is foretold of a choice, in words.
import { percent } from "loewner/cli/text.js";
import type { Choice, Prediction } from "../session/protocol.js";
import { unbroken } from "./dom.js";
import { isPromise } from "./form.js";
import { number3 } from "./layer-table.js";

/** @param bytes of the model as it is */
export function foretoldText(choice: Choice, prediction: Prediction, bytes: number, hasTexts: boolean): string {
  const { bytesAfter, skipped, layers } = prediction;
  const saved =
    bytesAfter <= bytes ? `${percent(1 - bytesAfter / bytes)} less` : `${percent(bytesAfter / bytes - 1)} more`;
  const left = skipped.length ? `; ${skipped.length} of ${skipped.length + layers.length} layers stay as they are` : "";
  return unbroken(`${saved}, ${expected(choice, prediction, hasTexts)}${left}`);
}

function expected({ size }: Choice, { error, forecast }: Prediction, hasTexts: boolean): string {
  if (isPromise(size) && forecast !== undefined) {
    const texts = hasTexts ? "; with your texts it gets smaller, and answers are compared" : "";
    return `answers should agree to about ${forecast.toFixed(3)}${texts}`;
  }
  return error === undefined
    ? "error: the spectra are being computed"
    : `predicted error ${number3(error)} (relative, l_2)`;
}
