// Bits for the components of a transform code: bands of components of equal bits, such that least is left of their variances.
//
// Band     components of variances v_j are rotated evenly over n coordinates of variance 1, each coded with error e: what comes back is
//          (1 - e) of it and white noise of variance e (1 - e) (Goblick's test channel, 1965). Component j has share s_j of the
//          coordinates' variance (mean 1), and best estimates leave v_j e / ((1 - e) s_j + e) of it. Least in sum:
//              (1 - e) s_j + e = sqrt(v_j) / m,    m the mean of the roots;    then e (sum sqrt(v_j))^2 / n is left
//          where s_j would be negative the component is let go, and m is that of the others with what it frees
// Bits     Lagrange: the least of error + price * bytes over all partitions, by dynamic programming over groups of components; the price by
//          bisection (Shoham, Gersho 1988, who do it without bands). With equal bits everywhere and no rotation it would be reverse water-filling
// Right    an axis that is rounded sends a share of its component astray, evenly over all directions. What goes along a coordinate of error e
//          can be taken back there, but then is coded with it: e / (1 + e) of it stays (band-factors.ts); elsewhere all of it. Rows whose
//          entries are uneven, p_i of the square in column i on average, are rounded worse, by d sum p_i^2, about
import { codedBytes, quantisationError } from "../../codes.js";
import { trellisError } from "../../code-trellis.js";
import type { TrellisBits, WindowBits } from "../../types/index.js";
import type { ErrorWeights } from "./error-weights.js";
import { lowered, otherRights, raised } from "./band-moves.js";
import { edgesOf, type BandPlan } from "./groups.js";

export interface BitPlan {
  /** By falling bits. */
  bands: BandPlan[];
  /** What is left of the components' variances, in sum, expected. */
  error: number;
  /** The same, each component times its weight: what is least. */
  cost: number;
  /** Of codes and right factors. */
  bytes: number;
}

export interface Spectrum {
  /** Variances along the axes, falling. */
  values: Float64Array;
  rows: number;
  windowBits: WindowBits;
  /** By how much worse axes from one edge to another are rounded than even ones: `unevenness`. */
  unevenness: readonly Float64Array[];
  /** What a component's error counts for. Default: 1 each. */
  weights?: ErrorWeights;
}

const highestBits = 8;
const allBits = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const;
const bisections = 40;
/** What lowers the error by less, beside all variance, for a bit a row is never worth it: 8 bits a component leave 1000 times as much. */
const leastPrice = 2 ** -26;
/** Share of the error that a move has to gain. */
const worthIt = 2 ** -12;
/** Moves that are looked at closely, of those that seem best. */
const lookedAt = 8;

/**
 * How variance is shared out in a band, each number for a component: s_j, and the estimate's factor r_j = sqrt(s_j) * `length`; `left` of all,
 * and its weighted sum.
 */
export function shape(
  variances: Float64Array,
  cols: number,
  error: number,
  weights?: Float64Array,
): { shares: Float64Array; length: number; left: number; cost: number } {
  const roots = variances.map(Math.sqrt);
  let sum = roots.reduce((total, x) => total + x, 0);
  let kept = roots.length;
  const inverse = () => (cols * (1 - error) + kept * error) / sum;
  while (kept > 1 && !(roots[kept - 1] * inverse() > error)) sum -= roots[--kept];
  const factor = inverse();
  let left = 0;
  let cost = 0;
  const shares = roots.map((root, j) => {
    const rest = j < kept ? (error * root) / factor : root * root;
    left += rest;
    cost += rest * (weights?.[j] ?? 1);
    return j < kept ? Math.max(0, (root * factor - error) / (1 - error)) : 0;
  });
  return { shares, length: 1 / factor, left, cost };
}

/** The best plan of at most `bytes`. */
export function planBits(spectrum: Spectrum, bytes: number): BitPlan {
  return refined(spectrum, (partition) => partition.within(bytes));
}

/** The smallest plan that leaves no more than `error`, nearly; or that of the least error. */
export function planError(spectrum: Spectrum, error: number): BitPlan {
  return refined(spectrum, (partition) => partition.reaching(error));
}

/** What a rounded axis costs depends on what is stored beside it: a first plan tells. */
function refined(spectrum: Spectrum, search: (partition: Partition) => BitPlan): BitPlan {
  const first = new Partition(spectrum, 1);
  return search(new Partition(spectrum, first.astray(search(first))));
}

class Partition {
  private readonly edges: readonly number[];
  /** Sums of the variances, and of their roots, up to each edge. */
  private readonly sums: number[] = [0];
  private readonly roots: number[] = [0];
  /** Of what the variances count for while they are lost, and their roots while they are stored. */
  private readonly lost: number[] = [0];
  private readonly weighted: number[] = [0];
  /** Of coding with so many bits, in bands of so many groups of 8. */
  private readonly errors: readonly Float64Array[];
  /** Of a coordinate's row of the right factor: its bytes, and what rounding it costs beside the variance. */
  private readonly rights: Record<8 | 4, { bytes: number; loss: number }>;

  constructor(
    private readonly spectrum: Spectrum,
    /** Of what a rounded axis sends astray, the share that stays. */
    stays: number,
  ) {
    const { values, windowBits } = spectrum;
    const d = values.length;
    const right = (bits: 8 | 4) => ({ bytes: codedBytes(1, d, bits), loss: stays * quantisationError(bits, d) });
    this.rights = { 8: right(8), 4: right(4) };
    this.edges = edgesOf(d);
    this.errors = allBits.map((bits) =>
      Float64Array.from({ length: Math.ceil(d / 8) + 1 }, (_, g) =>
        g && bits ? trellisError(bits, windowBits, 8 * g) : 1,
      ),
    );
    const { noise, lost } = spectrum.weights ?? {};
    for (let g = 1; g < this.edges.length; ++g) {
      const first = this.edges[g - 1];
      const inside = values.subarray(first, this.edges[g]);
      const add = (sums: number[], of: (x: number, j: number) => number) =>
        sums.push(inside.reduce((total, x, j) => total + of(x, first + j), sums[g - 1]));
      add(this.sums, (x) => x);
      add(this.roots, Math.sqrt);
      add(this.lost, (x, j) => x * (lost?.[j] ?? 1));
      add(this.weighted, (x, j) => Math.sqrt(x) * (noise?.[j] ?? 1));
    }
  }

  within(most: number): BitPlan {
    const { affordable, dear } = this.search(({ bytes }) => bytes > most);
    // Between the two there may be much, where groups are few or alike.
    const [fromBelow, fromAbove] = [affordable, this.cut(dear, most)].map((plan) => this.filled(plan, most));
    return fromAbove.cost < fromBelow.cost ? fromAbove : fromBelow;
  }

  reaching(error: number): BitPlan {
    return this.search((plan) => plan.error <= error).dear;
  }

  /** The plans on both sides of the price from which on they are not `dear`. */
  private search(isDear: (plan: BitPlan) => boolean): Record<"dear" | "affordable", BitPlan> {
    // A price of share / (1 - share), in all variances for the bytes of one bit a row.
    let [low, high] = [leastPrice, 1];
    let dear = this.planOf(this.cheapest(low));
    if (!isDear(dear)) return { dear, affordable: dear };
    let affordable = this.planOf([]);
    for (let round = 0; round < bisections; ++round) {
      const share = (low + high) / 2;
      const found = this.planOf(this.cheapest(share / (1 - share)));
      if (isDear(found)) [low, dear] = [share, found];
      else [high, affordable] = [share, found];
    }
    return { dear, affordable };
  }

  /** Of what rounded axes send astray, the share that stays under this plan. */
  astray({ bands }: BitPlan): number {
    const { values } = this.spectrum;
    const taken = bands.reduce((sum, { cols, bits }) => sum + cols / (1 + this.errors[bits][cols / 8]), 0);
    return Math.max(0, values.length - taken) / values.length;
  }

  private bytesOf(cols: number, bits: number, rightBits: 8 | 4): number {
    return cols * ((this.spectrum.rows * bits) / 8 + this.rights[rightBits].bytes);
  }

  /** The partition of least error + price * bytes, and the right factors' bits with it. */
  private cheapest(price: number): BandPlan[] {
    const { edges, sums, lost } = this;
    const groups = edges.length - 1;
    const rate = (price * sums[groups]) / Math.max(1, this.spectrum.rows);
    // least[g]: of the first g groups, in bands of at least as many bits as have been looked at.
    let least = edges.map((_, g) => (g === 0 ? 0 : Infinity));
    let cuts: (BandPlan | undefined)[][] = [];
    for (let bits = highestBits as TrellisBits; bits >= 1; --bits) {
      const before = least;
      const chosen: (BandPlan | undefined)[] = new Array(groups + 1).fill(undefined);
      least = before.slice();
      for (let from = 0; from < groups; ++from) {
        if (before[from] === Infinity) continue;
        for (let end = from + 1; end <= groups; ++end) {
          const cols = edges[end] - edges[from];
          for (const rightBits of [8, 4] as const) {
            const own = this.costOf(bits, rightBits, from, end);
            const cost = before[from] + own + rate * this.bytesOf(cols, bits, rightBits);
            if (cost < least[end]) {
              least[end] = cost;
              chosen[end] = { bits, cols, rightBits, from, end };
            }
          }
        }
      }
      cuts = [chosen, ...cuts];
    }
    let end = 0;
    for (let g = 1; g <= groups; ++g) if (least[g] - lost[g] < least[end] - lost[end]) end = g;
    const bands: BandPlan[] = [];
    for (const chosen of cuts) {
      const cut = chosen[end];
      if (!cut) continue;
      bands.unshift(cut);
      end = cut.from;
    }
    return bands;
  }

  private planOf(cuts: readonly BandPlan[]): BitPlan {
    const { edges, sums, lost, rights } = this;
    const { values, unevenness, weights } = this.spectrum;
    let error = sums[sums.length - 1];
    let cost = lost[lost.length - 1];
    let bytes = 0;
    const bands = cuts.map((band): BandPlan => {
      const { bits, rightBits, from, end } = band;
      const cols = edges[end] - edges[from];
      const variance = sums[end] - sums[from];
      const inside = values.subarray(edges[from], edges[end]);
      const shaped = shape(inside, cols, this.errors[bits][cols / 8], weights?.noise.subarray(edges[from], edges[end]));
      const astray = rights[rightBits].loss * unevenness[from][end] * variance;
      error += shaped.left - variance + astray;
      cost += shaped.cost - (lost[end] - lost[from]) + astray;
      bytes += this.bytesOf(cols, bits, rightBits);
      return { ...band, cols };
    });
    return { bands, error, cost, bytes };
  }

  /** Parts of bands get more bits, or right factors others, as long as that fits and helps. */
  private filled(plan: BitPlan, most: number): BitPlan {
    for (;;) {
      const moves = [...raised(plan.bands, this.edges.length - 1), ...otherRights(plan.bands)];
      const fitting = moves.filter((bands) => this.roughly(bands).bytes <= most);
      const next = this.best(fitting, (bands) => this.roughly(bands).cost);
      if (!next || next.bytes > most || !(next.cost < (1 - worthIt) * plan.cost)) return plan;
      plan = next;
    }
  }

  /** A plan that is too large, with fewer bits until it fits: where that costs least, and once it can fit, least in all. */
  private cut(plan: BitPlan, most: number): BitPlan {
    while (plan.bytes > most && plan.bands.length > 0) {
      const { bytes, cost } = this.roughly(plan.bands);
      const moves = lowered(plan.bands).map((bands) => ({ bands, ...this.roughly(bands) }));
      const fitting = moves.filter((move) => move.bytes <= most);
      const price = fitting.length
        ? (move: { cost: number }) => move.cost
        : (move: { cost: number; bytes: number }) => (move.cost - cost) / (bytes - move.bytes);
      const next = (fitting.length ? fitting : moves).reduce((a, b) => (price(b) < price(a) ? b : a));
      plan = this.planOf(next.bands);
    }
    return plan;
  }

  /** Of those that `price` ranks first, the one of least cost. */
  private best(all: BandPlan[][], price: (bands: BandPlan[]) => number): BitPlan | undefined {
    const ranked = all.map((bands) => ({ bands, price: price(bands) })).sort((a, b) => a.price - b.price);
    const plans = ranked.slice(0, lookedAt).map(({ bands }) => this.planOf(bands));
    return plans.length ? plans.reduce((a, b) => (b.cost < a.cost ? b : a)) : undefined;
  }

  /** Cost and bytes of a plan, no component let go inside of a band. */
  private roughly(bands: readonly BandPlan[]): { cost: number; bytes: number } {
    let [cost, bytes] = [this.lost[this.lost.length - 1], 0];
    for (const band of bands) {
      const cols = this.edges[band.end] - this.edges[band.from];
      cost +=
        this.costOf(band.bits, band.rightBits, band.from, band.end) - (this.lost[band.end] - this.lost[band.from]);
      bytes += this.bytesOf(cols, band.bits, band.rightBits);
    }
    return { cost, bytes };
  }

  private costOf(bits: TrellisBits, rightBits: 8 | 4, from: number, end: number): number {
    const { edges, sums, roots, weighted } = this;
    const cols = edges[end] - edges[from];
    const roots2 = (roots[end] - roots[from]) * (weighted[end] - weighted[from]);
    const astray = this.spectrum.unevenness[from][end] * (sums[end] - sums[from]);
    return (this.errors[bits][cols / 8] * roots2) / cols + this.rights[rightBits].loss * astray;
  }
}
