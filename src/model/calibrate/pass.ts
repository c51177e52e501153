// One pass over the feeds: what each run puts out is added to the sums of its layers.
import { InvalidInputError } from "../../errors.js";
import type { OnnxModel } from "../../formats/onnx/types.js";
import type { Matrix } from "../../matrix.js";
import type { Loewner } from "../../types/index.js";
import { free, type Runner, turn } from "../onnx/runner.js";
import type { RuntimeTensor } from "../onnx/runtime.js";
import { type Feed, inputsOf, maskOf } from "./feeds.js";
import { Reservoir } from "./reservoir.js";
import { badEntry, countRows, type Mask, type Rows, rowsOf } from "./rows.js";
import { expertRows, fillUnseen } from "./experts.js";
import { type Lookup, type Site, type Sites, valuesIn } from "./sites.js";
import { GramSum, LewisSum, type Sum } from "./sums.js";

/** Second moments of what a layer is multiplied by. Layers that read the same value share one object. */
export interface Moments {
  /** cols x cols, f64, row-major, symmetric: sum of x x' over all rows x; at p < 2 under their Lewis weights, with the same trace. */
  readonly h: Float64Array;
  /** Inputs of the layer. */
  readonly cols: number;
  /** Rows x that were summed: tokens, pixels, sentences. Fewer than cols leave h singular. */
  readonly rows: number;
  /** Some of the rows x, a random choice, where samples were asked for. */
  readonly sample?: Matrix;
}

export type Values = Readonly<Record<string, Pick<RuntimeTensor, "type" | "dims" | "data">>>;

/** Takes what a run of the original put out. */
export type OnOutputs = (feed: Feed, outputs: Values) => void;

export class Pass {
  private readonly file: string;
  private readonly inputs: ReadonlySet<string>;
  private readonly fetches: readonly string[];
  private readonly own: readonly string[];
  private readonly sums: readonly Sum[];
  private readonly rows: number[];
  private readonly samples: readonly (Reservoir | undefined)[];

  /**
   * @param counts by name of the table; added to
   * @param samples rows of each input that are kept, at most
   * @param onOutputs takes the model's own outputs of each run
   */
  constructor(
    private readonly loewner: Loewner,
    model: OnnxModel,
    private readonly work: Sites,
    private readonly counts: ReadonlyMap<string, Float64Array>,
    p: number,
    samples: number,
    private readonly onOutputs?: OnOutputs,
  ) {
    const { sites, lookups } = work;
    this.file = model.source.name;
    this.inputs = new Set(inputsOf(model).map(({ name }) => name));
    const values = [
      ...sites.flatMap(({ activations }) => valuesIn(activations)),
      ...lookups.flatMap(({ indices }) => indices),
    ];
    this.own = onOutputs ? model.graph.outputs.map(({ name }) => name) : [];
    this.fetches = [...new Set([...values, ...this.own])].filter((name) => !this.inputs.has(name));
    this.sums = sites.map(({ cols, layers }) =>
      p === 2 ? new GramSum(loewner, cols) : new LewisSum(loewner, cols, p, layers[0].name),
    );
    this.rows = sites.map(() => 0);
    this.samples = sites.map(({ cols, layers }) =>
      samples > 0 ? new Reservoir(cols, samples, `sample of ${layers[0].name}`) : undefined,
    );
  }

  /** @param number of the feed, for messages */
  async run(runner: Runner, feed: Feed, number: number, signal?: AbortSignal): Promise<void> {
    await turn();
    const inputs = Object.entries(feed).map(([name, array]) => ({ name, source: "given", ...array }));
    const { outputs } = this.fetches.length ? await runner.run(inputs, this.fetches) : { outputs: {} };
    try {
      const given = Object.entries(feed).map(([name, { dtype, shape, data }]) => [
        name,
        { type: dtype, dims: shape, data },
      ]);
      const values: Values = { ...(Object.fromEntries(given) as Values), ...outputs };
      const mask = maskOf(feed);
      this.onOutputs?.(feed, Object.fromEntries(this.own.map((name) => [name, values[name]])));
      for (const lookup of this.work.lookups) this.count(lookup, values, mask);
      // A few at a time: each takes a copy of what it adds.
      let next = 0;
      const addAll = async () => {
        while (next < this.work.sites.length) {
          const at = next++;
          await this.add(at, this.work.sites[at], values, mask, number, signal);
        }
      };
      await Promise.all(Array.from({ length: this.loewner.threads }, addAll));
    } finally {
      free(outputs);
    }
  }

  /** In the order of the sites. */
  async finish(signal?: AbortSignal): Promise<Moments[]> {
    const moments: Moments[] = [];
    for (const [i, { cols, layers, activations }] of this.work.sites.entries()) {
      if (this.rows[i] === 0) {
        throw new InvalidInputError(
          `${this.file}: no row of the inputs reaches ${layers[0].name}: they are empty, or their mask leaves all out. Give inputs that have something in them.`,
          { file: this.file, tensor: layers[0].name },
        );
      }
      const sample = this.samples[i]?.rows;
      const h = await this.sums[i].finish(signal);
      const [{ experts }] = activations;
      if (experts) fillUnseen(h, cols, experts.count);
      moments.push({ h, cols, rows: this.rows[i], ...(sample && { sample }) });
    }
    return moments;
  }

  private count({ name, indices }: Lookup, values: Values, mask: Mask | undefined): void {
    for (const value of indices) countRows(this.counts.get(name)!, values[value], mask);
  }

  private async add(
    at: number,
    { activations, cols, layers }: Site,
    values: Values,
    mask: Mask | undefined,
    feed: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const [{ name: layer }] = layers;
    for (const activation of activations) {
      const { value, experts } = activation;
      const rows = experts
        ? expertRows(values, { ...activation, experts }, cols, mask)
        : rowsOf(values[value], activation, cols, mask);
      if (!rows) throw this.misfit(layer, value, values[value], cols);
      if (rows.rows === 0) continue;
      this.checkFinite(rows, layer, feed);
      this.samples[at]?.add(rows);
      await this.sums[at].add(rows, signal);
      this.rows[at] += rows.rows;
    }
  }

  private checkFinite(rows: Rows, layer: string, feed: number): void {
    const bad = badEntry(rows);
    if (!bad) return;
    throw new InvalidInputError(
      `${this.file}: what ${layer} is multiplied by holds NaN or infinity when feed ${feed} runs, at row ${bad.row}, column ${bad.column}. Leave that input out, or leave this layer out of the calibration.`,
      { file: this.file, tensor: layer, ...bad },
    );
  }

  private misfit(layer: string, value: string, { type, dims }: Values[string], cols: number): InvalidInputError {
    return new InvalidInputError(
      `${this.file}: "${value}", which ${layer} is multiplied by, is ${type} of shape ${dims.join(" x ") || "a scalar"}; floats with ${cols} of them a row were expected. Leave this layer out of the calibration.`,
      { file: this.file, tensor: layer },
    );
  }
}
