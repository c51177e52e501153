// How small, and how: the form's fields as a choice.
import type { Method } from "loewner";
import type { Quality } from "loewner/model";
import type { Choice, NumberType } from "../session/protocol.js";
import { byId } from "./dom.js";

type Size = Choice["size"];

/** What the slider and the number beside it say. */
type Mode = "keep" | "bytes" | "cosine";
const modeNames: readonly Mode[] = ["keep", "bytes", "cosine"];

/** How the answers are to come out, of which the size follows. */
export const isPromise = (size: Size) => "quality" in size || "cosine" in size;

/**
 * A quality, unless a size is asked for under "Advanced". The slider and the number beside it say the same, in percent of each layer, in
 * MB of the file, or as a cosine between answers; whoever moves them wants that.
 */
export class Form {
  readonly element = byId<HTMLFormElement>("form");
  private readonly slider = byId<HTMLInputElement>("slider");
  private readonly amount = byId<HTMLInputElement>("amount");
  private readonly p = byId<HTMLInputElement>("p");
  private readonly method = byId<HTMLSelectElement>("method");
  private readonly type = byId<HTMLSelectElement>("type");
  private readonly qualities = [...document.querySelectorAll<HTMLInputElement>("#qualities input")];
  private readonly modes = modeNames.map((name) => byId<HTMLInputElement>(`mode-${name}`));
  private wholeBytes = 1e6;
  private mode: Mode = "keep";

  /** @param changed told of every change that makes another choice */
  constructor(changed: () => void) {
    this.slider.addEventListener("input", () => {
      this.takeSize();
      this.amount.value = this.mode === "bytes" ? megabytesText(Number(this.slider.value)) : this.slider.value;
      changed();
    });
    this.amount.addEventListener("input", () => {
      this.takeSize();
      this.slider.value = this.amount.value;
      changed();
    });
    for (const mode of this.modes)
      mode.addEventListener("change", () => {
        this.setMode(mode.value as Mode);
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
    this.setMode("keep");
    this.type.value = "own";
    document.querySelector<HTMLElement>("label[for=mode-cosine]")!.hidden = this.modes[2].hidden = isMatrix;
    byId("type-field").hidden = byId("qualities").hidden = isMatrix;
    byId<HTMLDetailsElement>("advanced").open = isMatrix;
    if (!isMatrix) this.takeQuality("high");
  }

  /** Undefined: a size is asked for. */
  get quality(): Quality | undefined {
    return this.qualities.find(({ checked }) => checked)?.value as Quality | undefined;
  }

  get isPromise(): boolean {
    return this.quality !== undefined || this.mode === "cosine";
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
    if (this.mode === "cosine")
      return amount > 0 && amount < 1 ? undefined : "Agreement: a number between 0 and 1 was expected, such as 0.99.";
    if (!(amount > 0))
      return `Size: a number above 0 was expected${this.mode === "bytes" ? ", in MB" : ", in percent"}.`;
    if (this.mode === "keep" && amount > 100) return "Size: at most 100 % of a layer can be kept.";
    return undefined;
  }

  private get size(): Size {
    const { quality } = this;
    if (quality !== undefined) return { quality };
    const amount = Number(this.amount.value);
    if (this.mode === "cosine") return { cosine: amount };
    // Percents with two decimals, so that 72 is the 0.72 of the command line.
    return this.mode === "bytes" ? { bytes: Math.floor(amount * 1e6) } : { keep: Math.round(amount * 100) / 1e4 };
  }

  private takeQuality(quality: Quality): void {
    for (const each of this.qualities) each.checked = each.value === quality;
    for (const mode of this.modes) mode.checked = false;
    if (this.type.value === "own") this.type.value = "auto";
  }

  /** @param before what was asked for until now */
  private takeSize(before: Mode = this.mode): void {
    const was = this.quality !== undefined || before === "cosine";
    const is = this.mode === "cosine";
    if (was && !is && this.type.value === "auto") this.type.value = "own";
    if (is && this.type.value === "own") this.type.value = "auto";
    for (const each of this.qualities) each.checked = false;
    for (const each of this.modes) each.checked = each.value === this.mode;
  }

  private setMode(mode: Mode): void {
    const { slider, amount, mode: before } = this;
    this.mode = mode;
    this.takeSize(before);
    const whole = this.wholeBytes / 1e6;
    const { what, unit, inUnit, range } = {
      keep: { what: "Share of each layer to keep", unit: "%", inUnit: ", in percent", range: [5, 95, 1, 50] },
      bytes: {
        ...{ what: "Size of the file", unit: "MB", inUnit: ", in megabytes" },
        range: [whole / 20, whole, whole / 500, whole / 2],
      },
      cosine: { what: "Cosine between answers", unit: "", inUnit: "", range: [0.9, 0.9999, 0.0001, 0.99] },
    }[mode];
    const [min, max, step, value] = range;
    Object.assign(slider, { min: String(min), max: String(max), step: String(step), value: String(value) });
    amount.max = { keep: "100", bytes: "", cosine: "0.9999" }[mode];
    amount.min = mode === "keep" ? "0.1" : "0";
    amount.value = mode === "bytes" ? megabytesText(value) : String(value);
    slider.setAttribute("aria-label", what);
    amount.setAttribute("aria-label", `${what}${inUnit}`);
    byId("unit").textContent = unit;
  }
}

const megabytesText = (megabytes: number) => String(Number(megabytes.toPrecision(4)));
