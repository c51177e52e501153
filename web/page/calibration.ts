// Texts that a model is calibrated on: pasted, or in files, with the tokenizer that cuts them.
import type { CalibrationTexts, Summary } from "../session/protocol.js";
import { byId, h } from "./dom.js";

/** onnxruntime-web lies beside the page. */
export const runtimeFolder = () => new URL("ort/", document.baseURI).href;

/** What belongs to a tokenizer, and looks like texts. */
const isOfTokenizer = ({ name }: File) => /^(vocab|merges)\.txt$/i.test(name);
export const isTokenizer = ({ name }: File) => /tokenizer\.json$/i.test(name);
export const isCalibration = (file: File) => /\.(txt|jsonl|tsv|csv|npz)$/i.test(file.name) && !isOfTokenizer(file);
const hasColumns = ({ name }: File) => /\.(jsonl|tsv|csv)$/i.test(name);
const isArrays = ({ name }: File) => /\.npz$/i.test(name);

/** As the command line has them. */
export const [usualTexts, usualP] = [200, 2];

/** A number that is as it usually is where the field holds none. */
class NumberField {
  readonly element: HTMLInputElement;

  constructor(
    id: string,
    private readonly usual: number,
  ) {
    this.element = byId<HTMLInputElement>(id);
  }

  get value(): number {
    const { valueAsNumber: value, step } = this.element;
    const given = step === "1" ? Math.floor(value) : value;
    return given > 0 ? given : this.usual;
  }
}

export class CalibrationForm {
  private readonly element = byId<HTMLDetailsElement>("calibration");
  private readonly pasted = byId<HTMLTextAreaElement>("texts");
  private readonly column = byId<HTMLInputElement>("column");
  private readonly list = byId("text-list");
  private readonly most = new NumberField("most-texts", usualTexts);
  private readonly p = new NumberField("calibration-p", usualP);
  private files: readonly File[] = [];
  private summary: Summary | undefined;

  /** @param changed told of every change */
  constructor(private readonly changed: () => void) {
    this.pasted.addEventListener("input", () => this.show());
    this.column.addEventListener("input", changed);
    for (const field of [this.most, this.p]) field.element.addEventListener("input", changed);
  }

  /** For another model. */
  reset(summary: Summary): void {
    this.files = [];
    this.pasted.value = this.column.value = "";
    this.element.open = false;
    // What has no graph cannot be run.
    this.element.hidden = byId("inputs-fields").hidden = summary.format !== "onnx";
    this.summary = summary;
    this.show();
  }

  /** A tokenizer came along. */
  know(summary: Summary): void {
    this.summary = summary;
    this.show();
  }

  /** Of files by the same name the last. */
  add(files: readonly File[]): void {
    const names = new Set(files.map(({ name }) => name));
    this.files = [...this.files.filter(({ name }) => !names.has(name)), ...files];
    this.element.open = true;
    this.show();
  }

  /** Undefined: there are none. */
  get texts(): CalibrationTexts | undefined {
    const pasted = this.pasted.value.trim() === "" ? "" : this.pasted.value;
    if (this.element.hidden || (pasted === "" && this.files.length === 0)) return undefined;
    const columns = this.column.value.trim() && this.files.some(hasColumns) ? [this.column.value.trim()] : [];
    return { pasted, files: this.files, columns, most: this.most.value, p: this.p.value, runtime: runtimeFolder() };
  }

  private show(): void {
    this.list.replaceChildren(...this.files.map((file) => this.itemOf(file)));
    byId("column-field").hidden = !this.files.some(hasColumns);
    const note = this.note;
    // A live region that is set again is read again.
    if (byId("texts-note").textContent !== note) byId("texts-note").textContent = note;
    this.changed();
  }

  private itemOf(file: File): HTMLElement {
    const button = h(
      "button",
      { type: "button", class: "button small", "aria-label": `Remove ${file.name}` },
      "Remove",
    );
    button.addEventListener("click", () => {
      this.files = this.files.filter((each) => each !== file);
      this.show();
      this.pasted.focus();
    });
    return h("li", {}, file.name, button);
  }

  private get note(): string {
    const { tokenizer, vocabulary } = this.summary!;
    const lines = this.pasted.value.split("\n").filter((line) => line.trim() !== "").length;
    const named = this.files.map(({ name }) => name);
    if (lines) named.unshift(`${lines} pasted ${lines === 1 ? "text" : "texts"}`);
    const cuts = tokenizer === undefined ? undefined : `${tokenizer} (${vocabulary} tokens)`;
    if (named.length === 0)
      return cuts === undefined
        ? "Texts take the model's tokenizer.json, which lies beside the model where that came from: drop it here too."
        : `${cuts} is here to cut texts.`;
    if (!lines && this.files.every(isArrays)) return `${named.join(", ")}: inputs of the model as they are.`;
    return cuts === undefined
      ? `${named.join(", ")}: texts take the model's tokenizer.json, which is still missing. Drop it here too.`
      : `${named.join(", ")}, cut by ${cuts}.`;
  }
}
