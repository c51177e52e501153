// Ways to store the layers of one model: what each takes and costs by the layer's spectrum, which is computed once.
import { defaultGroups } from "../low-rank/rank.js";
import type { Loewner, Progress } from "../types/index.js";
import { optionsFor, type Candidates, type Option } from "./choices.js";
import { bitsOf } from "./fit.js";
import type { LayerJournal } from "./journal.js";
import { aimOf } from "./measure.js";
import { matrixOf, outputsByInputs, shapeOf, type Layer, type Model } from "./model.js";
import type { LayerPlan } from "./plan-file.js";
import { weightsOf, type PlanOptions } from "./plan-options.js";
import { targetBytes } from "./sizes.js";
import type { PairType, StoredType } from "./stored.js";

export class LayerWays {
  constructor(
    private readonly loewner: Loewner,
    private readonly model: Model,
    readonly options: PlanOptions,
    /** Who hears of a layer's spectrum being computed. */
    private readonly progressOf: (layer: string) => ((progress: Progress) => void) | undefined,
    private readonly journal?: LayerJournal,
    /** By name; what others with the same options but for sizes have found, too. */
    private readonly candidates = new Map<string, Candidates>(),
  ) {}

  /** What is known of a layer, if its spectrum is. */
  known({ name }: Layer): Candidates | undefined {
    return this.candidates.get(name);
  }

  /** Why a layer cannot be stored as it was asked for, whatever the size. */
  unfit(layer: Layer, own: LayerPlan): string | undefined {
    return this.typeOf(layer, own) === "trellis" && !isOnlyMultiplied(layer)
      ? "rows of it are read one by one: trellis codes are for weights that are only multiplied"
      : undefined;
  }

  typeOf({ dtype }: Layer, own: LayerPlan): StoredType | "auto" {
    return own.dtype ?? this.options.dtype ?? (dtype.toLowerCase() as StoredType);
  }

  /** Rows that are read or compared one by one, in whatever way they are stored best. */
  private mayCluster(layer: Layer, own: LayerPlan): boolean {
    const { method = "auto", p = 1 } = { ...this.options, ...own };
    const { purpose } = this.options;
    return (
      this.typeOf(layer, own) === "auto" &&
      method === "auto" &&
      p <= 2 &&
      purpose !== "memory" &&
      aimOf(layer) !== "error"
    );
  }

  /** Of a target's: groups of rows where clusters are asked for. */
  groupsOf(own: LayerPlan): { groups?: number } {
    const { method, groups } = own.method === undefined ? this.options : own;
    return method === "clusters" ? { groups: groups ?? defaultGroups } : {};
  }

  /** The largest rank whose factors take so many bytes at most. */
  rankWithin(available: number, layer: Layer, type: PairType, groups: { groups?: number }): number {
    const [rows, cols] = shapeOf(layer);
    const step = this.stepOf(layer, type);
    // Shares such as 0.3 are no exact numbers.
    const fits = (steps: number) =>
      steps === 0 || targetBytes(rows, cols, { rank: steps * step, type, ...groups }) <= available * (1 + 1e-9);
    let [fitting, beyond] = [0, Math.floor(Math.min(rows, cols) / step) + 1];
    while (beyond - fitting > 1) {
      const middle = (fitting + beyond) >> 1;
      if (fits(middle)) fitting = middle;
      else beyond = middle;
    }
    return fitting * step;
  }

  /**
   * Below 8 bits columns are padded to whole bytes: ranks in between would pay for them all the same. onnxruntime's MatMulNBits
   * takes blocks of 16.
   */
  stepOf({ kind }: Layer, type: StoredType | "auto"): number {
    const { multipleOf, operators } = this.options;
    const bits = type === "auto" || isOfCodes(type) ? 4 : bitsOf(type);
    if (multipleOf !== undefined || bits === undefined) return multipleOf ?? 1;
    if (operators === "onnxruntime" && (kind === "tied" || kind === "head")) return 16;
    return bits < 8 ? 8 : 1;
  }

  async optionsOf(
    layer: Layer,
    own: LayerPlan,
    signal?: AbortSignal,
    measured?: Pick<Candidates, "sensitivity" | "feedback">,
  ): Promise<Option[]> {
    const { minRank, purpose } = this.options;
    const type = this.typeOf(layer, own);
    // Unlike keep, which says how many, a budget has no use for 8-bit ranks between eights: bytes are the same.
    const least = type === "auto" || isOfCodes(type) || bitsOf(type) ? 8 : 1;
    const multipleOf = this.options.multipleOf ?? Math.max(least, this.stepOf(layer, type));
    const isAuto = type === "auto";
    const candidates = await this.candidatesFor(layer, { codes: isAuto || type === "transform", own }, signal);
    return optionsFor(
      { ...candidates, ...measured },
      {
        ...{ type, minRank, multipleOf, packed: purpose === "memory" },
        ...this.groupsOf(own),
      },
    );
  }

  /** Of a layer whose spectrum is known. */
  normOf({ name }: Layer): number | undefined {
    const values = this.candidates.get(name)?.singularValues;
    if (!values) return undefined;
    // Squares of what is beside the largest neither overflow nor vanish.
    const top = values[0] || 1;
    return top * Math.sqrt(values.reduce((sum, x) => sum + (x / top) * (x / top), 0));
  }

  /** @param codes transform codes are among the ways to store it, and so may clusters be */
  async candidatesFor(
    layer: Layer,
    { codes, own }: { codes: boolean; own: LayerPlan },
    signal?: AbortSignal,
  ): Promise<Candidates> {
    let found = this.candidates.get(layer.name);
    if (!found) {
      const [rows, cols] = shapeOf(layer);
      const rowWeights = weightsOf(layer, this.options.weights);
      // The second spectrum is that of the first Gram matrix less a centre.
      const source = this.loewner.open(matrixOf(this.model, layer));
      const spectrum = (name: string, centred: boolean) => {
        const onProgress = this.progressOf(layer.name);
        const compute = () => this.loewner.singularValues(source, { rowWeights, centred, signal, onProgress });
        return this.journal ? this.journal.numbers(layer, name, rowWeights, signal, compute) : compute();
      };
      const clustersOf = async () => {
        const { clusterTails } = await import("./cluster-forecast.js");
        return clusterTails(this.loewner, matrixOf(this.model, layer), rowWeights, { signal });
      };
      try {
        const singularValues = await spectrum("singular values", false);
        const centred = codes ? await spectrum("singular values of centred rows", true) : undefined;
        const clusters = codes && this.mayCluster(layer, own) ? await clustersOf() : undefined;
        found = {
          ...{ rows, cols, bytes: layer.bytes, singularValues, centred, clusters, aim: aimOf(layer) },
          outputsByInputs: shapeOf(outputsByInputs(layer)),
          isMultiplied: layer.inputAxis !== undefined && isOnlyMultiplied(layer),
        };
      } finally {
        source.close();
      }
      this.candidates.set(layer.name, found);
    }
    return found;
  }
}

/** Codes of a trellis are made for bytes or bits, and have no rank. */
const isOfCodes = (type: StoredType): type is "transform" | "trellis" => type === "transform" || type === "trellis";

/** Never read row by row. */
const isOnlyMultiplied = ({ kind }: Layer) => kind === "linear" || kind === "head";
