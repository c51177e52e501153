// Clusters of rows: each row in one of J groups, each group with a subspace S_j of dimension k through 0 of its own, so that
// sum_i s_i dist(a_i, S_group(i))^p is small, 0 < p <= 2. At p = 2 this is MESSI (Maalouf, Lang, Rus, Feldman,
// Deep Learning meets Projective Clustering, arXiv 2010.04290).
//
// Lloyd's two steps in turn: every group's subspace, then every row to the nearest subspace; neither raises the sum. NP-hard, so a local
// minimum: several seeded starts (cluster-starts.ts) run on a sample of the rows, and the best goes on with all of them. On the way a
// group's subspace goes forward by one step of reweighting at a time; at the end it is fitted as a robust subspace.
import type { EngineRows } from "../../engine/engine.js";
import { toRowSource, type RowSource } from "../../matrix.js";
import type { FactorType, Objective, RowWeights } from "../../types/index.js";
import { factors, ofOwnScale } from "../basis/factors.js";
import { orient } from "../basis/orthonormal.js";
import { profile, type Profile } from "../profile.js";
import { setWeights, type Ending, type Run } from "../run.js";
import { ClusterStarts } from "./cluster-starts.js";
import { chosenRows, objectiveOfAll, rowsByGroup } from "./row-groups.js";
import { subspaceBasis } from "./subspace.js";
import { SubspaceSweeps } from "./sweeps.js";

/** Rows that starts are tried on: so many, or so many for each dimension of all subspaces. */
const sampleRows = 4096;
const sampleRowsPerVector = 12;
const starts = 4;
/** Steps from a start, and with all rows; they end earlier once the sum falls by no more than `settled` in one. */
const startSteps = 6;
const mostSteps = 20;
const settled = 1e-3;
/** Rounds of full fits and new groups at the end. */
const lastRounds = 3;
/** Of the sum over rounds: some rows lie between subspaces, and never stay. */
const roundTolerance = 1e-3;
/** Of a robust subspace's fit. */
const tolerance = 1e-4;
/** A row leaves its group for one that is nearer by more than rounding. */
const stays = 1 - 1e-6;
/** Of random numbers. */
const sampleStream = 50;
/** The floor of reweighting, beside the mean distance: it falls by half in each step. */
const [firstFloor, lastFloor] = [0.5, 1e-3];

export interface ClusterRequest {
  readonly rank: number;
  /** 2 ... 256 */
  readonly groups: number;
  readonly p: number;
  readonly seed: number;
  readonly rowWeights?: RowWeights;
}

export interface Clusters extends Ending {
  /** Of each row, from 0 on in the order of their first rows. None is without rows: there may be fewer than were asked for. */
  readonly groups: Uint8Array;
  /** Of each group: orthonormal rows, of which the first `rank` span its subspace. */
  readonly bases: readonly Float64Array[];
}

/** A subset of rows, and their weights. */
interface Part {
  readonly source: RowSource;
  readonly rowWeights?: RowWeights;
}

export function rowClusters(run: Run, source: RowSource, request: ClusterRequest): Promise<Clusters> {
  return new Clustering(run, request).find(source);
}

function numbered(groups: Uint8Array, bases: readonly Float64Array[]): Pick<Clusters, "groups" | "bases"> {
  const order = [...new Set(groups)];
  const numbers = new Map(order.map((group, number) => [group, number]));
  return { groups: groups.map((group) => numbers.get(group)!), bases: order.map((group) => bases[group]) };
}

/** Left factors of all rows (rows x rank), right ones below each other (groups rank x cols), and what they err by. */
export async function clusterFactors(
  run: Run,
  source: RowSource,
  { groups, bases }: Pick<Clusters, "groups" | "bases">,
  { rank, p, factorType, rowWeights }: { rank: number; p: number; factorType: FactorType; rowWeights?: RowWeights },
): Promise<{ left: Float32Array | Float64Array; right: Float64Array; objective: Objective }> {
  const { rows: n, cols: d } = source;
  const left = factorType === "f64" ? new Float64Array(n * rank) : new Float32Array(n * rank);
  const right = new Float64Array(bases.length * rank * d);
  const objectives: Objective[] = [];
  const lists = rowsByGroup(groups, bases.length);
  for (const [j, indices] of lists.entries()) {
    const basis = bases[j].slice();
    orient(basis.subarray(0, rank * d), d);
    const { rows, scales } = await opened(run, partOf({ source, rowWeights }, indices));
    const sink = {
      anyOrder: true,
      emit(start: number, block: Float32Array | Float64Array) {
        for (let at = 0; at < block.length; at += rank)
          left.set(block.subarray(at, at + rank), indices[start + at / rank] * rank);
      },
    };
    const found = await factors(run, rows, scales, { basis, rank, p, factorType, sink });
    run.close(rows);
    right.set(found.right, j * rank * d);
    objectives.push(found.objective);
  }
  return { left, right, objective: objectiveOfAll(objectives, lists) };
}

const partOf = ({ source, rowWeights }: Part, indices: Int32Array): Part => ({
  source: chosenRows(source, indices),
  ...(rowWeights && { rowWeights: Float64Array.from(indices, (i) => rowWeights[i]) }),
});

async function opened(run: Run, { source, rowWeights }: Part): Promise<{ rows: EngineRows; scales: Profile }> {
  const rows = run.open(source);
  const scales = await profile(run, rows);
  setWeights(rows, { rowWeights });
  return { rows, scales };
}

class Clustering {
  /** Sweeps that made a new subspace. */
  private steps = 0;

  constructor(
    private readonly run: Run,
    private readonly request: ClusterRequest,
  ) {}

  async find(source: RowSource): Promise<Clusters> {
    const { rowWeights, seed, groups: count, rank } = this.request;
    const all: Part = { source, rowWeights };
    const size = Math.max(sampleRows, sampleRowsPerVector * count * rank);
    const sample = source.rows > size ? await this.sampleOf(all, size) : all;
    const from = await ClusterStarts.create(this.run, sample.source);
    let best: { bases: Float64Array[]; groups: Uint8Array; sum: number } | undefined;
    for (let start = 0; start < starts; ++start) {
      const bases = await from.of({ rank, groups: count, seed, start });
      const groups = await this.walk(sample, bases, startSteps);
      const sum = await this.sumOf(sample, groups, bases);
      if (!best || sum < best.sum) best = { bases, groups, sum };
    }
    const { bases } = best!;
    let groups = sample === all ? best!.groups : await this.walk(all, bases, mostSteps);
    let before = Infinity;
    let residual = 1;
    for (let round = 0; round < lastRounds && residual > roundTolerance; ++round) {
      const sum = await this.fit(all, groups, bases);
      const next = await this.sort(all, bases, groups);
      residual = next.moved > 0 && sum > 0 ? Math.max(0, before / sum - 1) : 0;
      [before, groups] = [sum, next.groups];
    }
    return { ...numbered(groups, bases), iterations: this.steps, residual, converged: residual <= roundTolerance };
  }

  /** One row at random from each of as many stretches, in memory. */
  private async sampleOf({ source, rowWeights }: Part, size: number): Promise<Part> {
    const draw = { kind: "uniform", seed: this.request.seed, stream: sampleStream, first: 0, count: size } as const;
    const values = await this.run.engine.dense("random", draw);
    const indices = Int32Array.from(values, (u, i) => Math.floor(((i + u) * source.rows) / size));
    const data = await this.run.gather(source, indices);
    const { cols, dtype, name } = source;
    const own = dtype === "f64" ? data : Float32Array.from(data);
    const weights = rowWeights && Float64Array.from(indices, (i) => rowWeights[i]);
    // Rows without weight alone would tell nothing.
    const kept = weights?.some((s) => s > 0) ? weights : undefined;
    return { source: toRowSource({ data: own, rows: size, cols }, name), ...(kept && { rowWeights: kept }) };
  }

  /** Steps of reweighting and of sorting in turn; the bases are brought forward. */
  private async walk(part: Part, bases: Float64Array[], steps: number): Promise<Uint8Array> {
    let { groups } = await this.sort(part, bases);
    let before = Infinity;
    let floor = firstFloor;
    for (let step = 0; step < steps; ++step) {
      const sum = await this.advance(part, groups, bases, floor);
      ({ groups } = await this.sort(part, bases, groups));
      if (sum === 0 || (before / sum - 1 <= settled && floor === lastFloor)) break;
      before = sum;
      floor = Math.max(lastFloor, floor / 2);
    }
    return groups;
  }

  /** Each group's subspace by one step of reweighting. Gives the sum before it. */
  private advance(part: Part, groups: Uint8Array, bases: Float64Array[], floor: number): Promise<number> {
    return this.eachGroup(part, groups, async (rows, scales, j) => {
      const sweeps = await this.sweepsOf(rows, scales);
      const { objective, mean, exact } = await sweeps.measure(bases[j]);
      if (exact) return 0;
      sweeps.size = mean;
      bases[j] = (await sweeps.step(bases[j], floor * mean)).next;
      ++this.steps;
      return ofOwnScale(this.run, objective, scales.unit, this.request.p);
    });
  }

  private sumOf(part: Part, groups: Uint8Array, bases: readonly Float64Array[]): Promise<number> {
    return this.eachGroup(part, groups, async (rows, scales, j) => {
      const { objective } = await (await this.sweepsOf(rows, scales)).measure(bases[j]);
      return ofOwnScale(this.run, objective, scales.unit, this.request.p);
    });
  }

  /** Each group's subspace as a robust subspace; at p = 2 by its own spectrum. Gives the sum that these leave. */
  private fit(part: Part, groups: Uint8Array, bases: Float64Array[]): Promise<number> {
    const { rank, p, seed } = this.request;
    return this.eachGroup(part, groups, async (rows, scales, j) => {
      const start = p === 2 ? (await (await this.sweepsOf(rows, scales)).step(bases[j], 0)).next : bases[j];
      const found = await subspaceBasis(this.run, rows, scales, { rank, p, seed, start, tolerance });
      this.steps += found.iterations;
      bases[j] = found.basis;
      return found.objective;
    });
  }

  /** Sums what the body gives for the rows of each group. */
  private async eachGroup(
    part: Part,
    groups: Uint8Array,
    body: (rows: EngineRows, scales: Profile, group: number) => Promise<number>,
  ): Promise<number> {
    let sum = 0;
    for (const [j, indices] of rowsByGroup(groups, this.request.groups).entries()) {
      // A group without rows keeps its subspace: rows may come back.
      if (indices.length === 0) continue;
      const { rows, scales } = await opened(this.run, partOf(part, indices));
      sum += await body(rows, scales, j);
      this.run.close(rows);
    }
    return sum;
  }

  private sweepsOf(rows: EngineRows, scales: Profile): Promise<SubspaceSweeps> {
    const { rank, p } = this.request;
    return SubspaceSweeps.create(this.run, rows, scales, { rank, p, tolerance });
  }

  /** Each row to the nearest subspace: to the one it was in, or else to the first, of those that are equally near. */
  private async sort(
    part: Part,
    bases: readonly Float64Array[],
    before?: Uint8Array,
  ): Promise<{ groups: Uint8Array; moved: number }> {
    const { rows, scales } = await opened(this.run, part);
    const n = rows.source.rows;
    const groups = new Uint8Array(n);
    const nearest = new Float64Array(n).fill(Infinity);
    const own = new Float64Array(n).fill(Infinity);
    for (const [j, basis] of bases.entries()) {
      await (await this.sweepsOf(rows, scales)).measure(basis, true);
      const distance = (await rows.state.get("distance"))!;
      for (let i = 0; i < n; ++i) {
        if (before?.[i] === j) own[i] = distance[i];
        if (distance[i] < nearest[i]) [nearest[i], groups[i]] = [distance[i], j];
      }
    }
    this.run.close(rows);
    if (!before) return { groups, moved: n };
    let moved = 0;
    for (let i = 0; i < n; ++i) {
      if (nearest[i] < own[i] * stays) ++moved;
      else groups[i] = before[i];
    }
    return { groups, moved };
  }
}
