// A layer's singular values, and its error against rank, with a mark at the rank of the slider.
import type { SessionError } from "../session/connect.js";
import { type SessionClient } from "../session/connect.js";
import type { Curves, Prediction } from "../session/protocol.js";
import { byId, h } from "./dom.js";
import { number3 } from "./layer-table.js";
import { Plot } from "./plots.js";

export class CurveView {
  private readonly section = byId("curves");
  private readonly select = byId<HTMLSelectElement>("curve-layer");
  private readonly note = byId("curves-note");
  private readonly spectrum = new Plot(byId("plot-spectrum"));
  private readonly error = new Plot(byId("plot-error"));
  private abort: AbortController | undefined;
  private shown: { layer: string; p: number; curves: Curves } | undefined;
  private prediction: Prediction | undefined;
  private p = 1;
  private later: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly session: SessionClient) {
    this.select.addEventListener("change", () => void this.load());
  }

  /** Layers that can be looked at; the first is. */
  open(layers: readonly string[]): void {
    this.stop();
    this.shown = undefined;
    this.spectrum.clear();
    this.error.clear();
    this.select.replaceChildren(...layers.map((name) => h("option", { value: name }, name)));
    this.section.hidden = layers.length === 0;
    this.note.textContent = layers.length ? "The spectrum is being computed." : "";
  }

  /** The l_p curve follows p; waits until typing is over. */
  setP(p: number): void {
    if (p === this.p) return;
    this.p = p;
    clearTimeout(this.later);
    if (this.shown) this.later = setTimeout(() => void this.load(), 400);
  }

  showRank(prediction: Prediction): void {
    this.prediction = prediction;
    this.mark();
  }

  stop(): void {
    clearTimeout(this.later);
    this.abort?.abort();
  }

  async load(): Promise<void> {
    this.stop();
    const layer = this.select.value;
    if (!layer || (this.shown?.layer === layer && this.shown.p === this.p)) return this.mark();
    const abort = (this.abort = new AbortController());
    const p = this.p;
    this.note.textContent = "Computing the spectrum and the l_p ellipsoid of this layer.";
    try {
      const curves = await this.session.call("curves", [layer, p], { signal: abort.signal });
      if (abort.signal.aborted) return;
      this.shown = { layer, p, curves };
      this.draw();
    } catch (error) {
      if (!abort.signal.aborted) this.note.textContent = (error as SessionError).message;
    }
  }

  private draw(): void {
    const { layer, p, curves } = this.shown!;
    const { singularValues, l2, lp, sharePerRank } = curves;
    const least = 1e-8 * singularValues[0];
    this.spectrum.draw({
      x: Array.from(singularValues, (_, i) => i + 1),
      xLabel: "index",
      yLabel: "singular value",
      logarithmic: { y: true },
      // What is below is rounding, and zero has no logarithm.
      lines: [
        { label: "singular value", colour: "line", values: Array.from(singularValues, (x) => (x > least ? x : null)) },
      ],
      description: `Singular values of ${layer}, from ${number3(singularValues[0])} down to ${number3(singularValues.at(-1)!)}`,
    });
    // Factors larger than the layer itself are of no use.
    const count = Math.min(l2.length, Math.floor(1 / sharePerRank) + 1);
    this.error.draw({
      x: Array.from({ length: count }, (_, rank) => rank),
      xLabel: "rank",
      yLabel: "relative error",
      yRange: [0, 1],
      lines: [
        { label: "l_2, SVD", colour: "mark", values: Array.from(l2.subarray(0, count)), dash: [6, 4] },
        { label: `l_${p}, proven bound`, colour: "line", values: Array.from(lp.subarray(0, count)) },
      ],
      description: `Error of ${layer} against rank: at half of the useful ranks ${number3(l2[count >> 1])} in l_2, and a proven bound of ${number3(lp[count >> 1])} in l_${p}`,
    });
    this.note.textContent = `Both as a share of what they are at rank 0: SVD's error in the l_2 norm of all entries, and the bound of |(A − left right) x| in l_${p} that is proved for every x. The dashed line is the rank that the slider gives.`;
    this.mark();
  }

  private mark(): void {
    const rank = this.prediction?.layers.find(({ name }) => name === this.select.value)?.rank;
    this.error.mark(rank);
    this.spectrum.mark(rank);
  }
}
