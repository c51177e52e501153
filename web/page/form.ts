// How small, and how: the form's fields as a choice.
import type { Method } from "loewner";
import type { Quality } from "loewner/model";
import type { Choice, NumberType } from "../session/protocol.js";
import { byId } from "./dom.js";

type Size = Choice["size"];

/**
 * A quality, unless a size is asked for under "Advanced". The slider and the number beside it say the same, in percent of each layer or
 * in MB of the file; whoever moves them wants that size.
 */
export class Form {
  readonly element = byId<HTMLFormElement>("form");
  private readonly slider = byId<HTMLInputElement>("slider");
  private readonly amount = byId<HTMLInputElement>("amount");
  private readonly p = byId<HTMLInputElement>("p");
  private readonly method = byId<HTMLSelectElement>("method");
  private readonly type = byId<HTMLSelectElement>("type");
  private readonly qualities = [...document.querySelectorAll<HTMLInputElement>("#qualities input")];
  private readonly modes = [byId<HTMLInputElement>("mode-keep"), byId<HTMLInputElement>("mode-bytes")];
  private wholeBytes = 1e6;
  /** The size is that of the whole file. */
  private isOfFile = false;

  /** @param changed told of every change that makes another choice */
  constructor(changed: () => void) {
    this.slider.addEventListener("input", () => {
      this.takeSize();
      this.amount.value = this.isOfFile ? megabytesText(Number(this.slider.value)) : this.slider.value;
      changed();
    });
    this.amount.addEventListener("input", () => {
      this.takeSize();
      this.slider.value = this.amount.value;
      changed();
    });
    for (const mode of this.modes)
      mode.addEventListener("change", () => {
        this.setMode();
        changed();
      });
    for (const quality of this.qualities)
      quality.addEventListener("change", () => {
        this.takeQuality(quality.value as Quality);
        changed();
      });
    for (const field of [this.p, this.method, this.type]) field.addEventListener("input", changed);
  }

  /** For another model. */
  reset(bytes: number, isMatrix: boolean): void {
    this.wholeBytes = bytes;
    // Factors of a matrix are files of its own type, and it has no answers.
    this.type.value = "own";
    this.modes[0].checked = true;
    this.setMode();
    byId("type-field").hidden = byId("qualities").hidden = isMatrix;
    byId<HTMLDetailsElement>("advanced").open = isMatrix;
    if (!isMatrix) this.takeQuality("high");
  }

  /** Undefined: a size is asked for. */
  get quality(): Quality | undefined {
    return this.qualities.find(({ checked }) => checked)?.value as Quality | undefined;
  }

  set disabled(disabled: boolean) {
    for (const field of this.element.querySelectorAll<HTMLInputElement>("fieldset, .fields input, .fields select"))
      field.disabled = disabled;
  }

  /** Undefined where a field holds nothing that can be used: `fault` says what. */
  get choice(): Omit<Choice, "layers"> | undefined {
    if (this.fault !== undefined) return undefined;
    return {
      size: this.size,
      p: Number(this.p.value),
      method: this.method.value as Method,
      type: this.type.value as NumberType,
    };
  }

  get fault(): string | undefined {
    const amount = Number(this.amount.value);
    if (!(Number(this.p.value) > 0)) return "p: a number above 0 was expected, such as 1.";
    if (this.quality !== undefined) return undefined;
    if (!(amount > 0)) return `Size: a number above 0 was expected${this.isOfFile ? ", in MB" : ", in percent"}.`;
    if (!this.isOfFile && amount > 100) return "Size: at most 100 % of a layer can be kept.";
    return undefined;
  }

  private get size(): Size {
    if (this.quality !== undefined) return { quality: this.quality };
    const amount = Number(this.amount.value);
    // Percents with two decimals, so that 72 is the 0.72 of the command line.
    return this.isOfFile ? { bytes: Math.floor(amount * 1e6) } : { keep: Math.round(amount * 100) / 1e4 };
  }

  private takeQuality(quality: Quality): void {
    for (const each of this.qualities) each.checked = each.value === quality;
    for (const mode of this.modes) mode.checked = false;
    if (this.type.value === "own") this.type.value = "auto";
  }

  private takeSize(): void {
    if (this.quality !== undefined && this.type.value === "auto") this.type.value = "own";
    for (const each of this.qualities) each.checked = false;
    this.modes[Number(this.isOfFile)].checked = true;
  }

  private setMode(): void {
    const { slider, amount } = this;
    this.isOfFile = this.modes[1].checked;
    this.takeSize();
    const whole = this.wholeBytes / 1e6;
    const what = this.isOfFile ? "Size of the file" : "Share of each layer to keep";
    const [min, max, step, value] = this.isOfFile ? [whole / 20, whole, whole / 500, whole / 2] : [5, 95, 1, 50];
    Object.assign(slider, { min: String(min), max: String(max), step: String(step), value: String(value) });
    amount.max = this.isOfFile ? "" : "100";
    amount.min = this.isOfFile ? "0" : "0.1";
    amount.value = this.isOfFile ? megabytesText(value) : String(value);
    slider.setAttribute("aria-label", what);
    amount.setAttribute("aria-label", `${what}, in ${this.isOfFile ? "megabytes" : "percent"}`);
    byId("unit").textContent = this.isOfFile ? "MB" : "%";
  }
}

const megabytesText = (megabytes: number) => String(Number(megabytes.toPrecision(4)));
