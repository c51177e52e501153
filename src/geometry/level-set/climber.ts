// Where climbs over a level set start, how far they go, and what comes back: points of its boundary. How much of it is done
// follows from the shape of A alone.
import { climbSmooth } from "./climb-smooth.js";
import { climbVertices, snap } from "./climb-vertices.js";
import { scale, type LevelSetSpace } from "./space.js";
import { powerOfTwoBelow } from "../profile.js";
import { Vertex } from "./vertex.js";

/** A point of L's boundary, with what it takes to climb on from there. */
export interface Contact {
  y: Float64Array;
  vertex?: Vertex;
  /** Weight in E. */
  u: number;
}

/** Streams of the random directions and rows (assembly/random.ts). */
const directionStream = 16;
const rowStream = 17;

/** Where climbs start. */
export class Starts {
  private used = 0;

  constructor(
    private readonly space: LevelSetSpace,
    private readonly seed: number,
  ) {}

  /** Directions of a normal distribution in the round coordinates. */
  async random(count: number): Promise<Float64Array[]> {
    const { rank: r, run } = this.space;
    const draw = {
      kind: "normal",
      seed: this.seed,
      stream: directionStream,
      first: this.used,
      count: count * r,
    } as const;
    const values = await run.engine.dense("random", draw);
    this.used += count * r;
    return Array.from({ length: count }, (_, j) => values.slice(j * r, (j + 1) * r));
  }

  /** Some rows of B, nonzero ones. */
  async rows(count: number): Promise<Float64Array[]> {
    const { run, rows, rank } = this.space;
    const draw = { kind: "uniform", seed: this.seed, stream: rowStream, first: 0, count } as const;
    const values = await run.engine.dense("random", draw);
    const indices = new Set(Array.from(values, (x) => Math.floor(x * rows.source.rows)));
    const white = await this.space.whiteRows([...indices]);
    return white.filter((b) => b.some((x) => x !== 0)).map((b) => raised(b.slice(0, rank)));
  }
}

/** Sweeps take products for 0 by comparing them with 1: a row far below the others is raised to where they see it. */
function raised(y: Float64Array): Float64Array {
  const top = y.reduce((a, x) => Math.max(a, Math.abs(x)), 0);
  if (top < 2 ** -20) scale(y, powerOfTwoBelow(1 / top));
  return y;
}

/** Multiply-adds that one round of climbs may take, roughly, from new places and from the contacts. */
const roundWork = 2e10;
/** All rounds. */
const searchWork = 2e11;
/** Above this rank a vertex is too dear to find: r^3 a point. */
const vertexRank = 128;
/** Numbers held at once for a sweep: 64 MB. */
const numbersAtOnce = 8e6;

export class Climber {
  /** Climbs from new places in a round. */
  readonly directions: number;
  readonly rounds: number;
  /** Points a sweep. */
  private readonly most: number;
  /** Whether steps may take a Gram matrix a point. */
  private readonly useGrams: boolean;
  /** Contacts that a round climbs on from, at most: those that weigh most. */
  private readonly fromContacts: number;
  /** Multiply-adds of a step along an edge, roughly. */
  private readonly edgeWork: number;
  private readonly useVertices: boolean;

  constructor(
    private readonly space: LevelSetSpace,
    private readonly tolerance: number,
    { directions, maxIterations }: { directions?: number; maxIterations?: number },
  ) {
    const { rank: r, rows, p } = space;
    const { rows: n, cols: d } = rows.source;
    const gramWork = n * r * (r / 2 + 8);
    this.useGrams = 4 * smoothSteps * gramWork <= roundWork;
    // A step along an edge is half sweep, half a rank-one update here, which is slower.
    this.edgeWork = 4 * n * r + 40 * r * r;
    this.useVertices = r <= vertexRank;
    const perStart = p === Infinity ? r * this.edgeWork : smoothSteps * (this.useGrams ? gramWork : 8 * n * r);
    const affordable = Math.floor(roundWork / perStart);
    this.directions = directions ?? Math.max(16, Math.min(Math.max(64, 2 * r), affordable));
    this.fromContacts = Math.max(64, Math.min(4 * Math.max(this.directions, 64), 2 * affordable));
    const wanted = r > 8 ? Math.max(4, 160 / r) : 60;
    this.rounds = maxIterations ?? bounded(Math.min(wanted, searchWork / (60 * n * d * r)), 1, 60);
    const levels = Math.floor(Math.log2(Math.ceil(n / 256))) + 1;
    this.most = bounded(
      numbersAtOnce / (p < Infinity && this.useGrams ? (r + 8) * (r + 8) * levels : 512 + r * r),
      8,
      1024,
    );
  }

  /** From new places. */
  climb(H: Float64Array, starts: Float64Array[]): Promise<Contact[]> {
    return this.inChunks(starts, async (chunk) => {
      const { p } = this.space;
      const points = chunk.map((y) => y.slice());
      await this.space.slopes(points);
      if (p === Infinity)
        return this.alongEdges(
          H,
          points.map((y) => new Vertex(y, p)),
        );
      // p = 1: reweighting gets near a vertex in fewer and longer steps than the edges do.
      const rough = p === 1 && this.useVertices;
      await this.smooth(H, points, rough ? 1e-6 : this.tolerance / 64);
      return rough ? this.alongEdges(H, await snap(this.space, H, points)) : points.map((y) => ({ y, u: 0 }));
    });
  }

  /** From points that were tops once. */
  climbOn(H: Float64Array, contacts: Contact[]): Promise<Contact[]> {
    const most = this.fromContacts;
    const from = contacts.length <= most ? contacts : [...contacts].sort((a, b) => b.u - a.u).slice(0, most);
    return this.inChunks(from, async (chunk) => {
      const { p } = this.space;
      if (p === Infinity || (p === 1 && this.useVertices)) {
        return this.alongEdges(
          H,
          chunk.map(({ vertex, y }) => vertex?.clone() ?? new Vertex(y, p)),
        );
      }
      const points = chunk.map(({ y }) => y.slice());
      await this.smooth(H, points, this.tolerance / 64);
      return points.map((y) => ({ y, u: 0 }));
    });
  }

  private smooth(H: Float64Array, points: Float64Array[], tolerance: number): Promise<void> {
    // Where a climb is cheap it is climbed to its end.
    const steps = this.space.rank <= 10 && this.useGrams ? 6 * smoothSteps : smoothSteps;
    return climbSmooth(this.space, H, points, { maxSteps: steps, tolerance, useGrams: this.useGrams });
  }

  private async alongEdges(H: Float64Array, all: Vertex[]): Promise<Contact[]> {
    // What is left of a climb is climbed in the next round, if its point still matters then.
    const { rank: r } = this.space;
    const steps = bounded(roundWork / 2 / (this.edgeWork * all.length), 4, 20 + Math.max(r, 100 - 2 * r));
    await climbVertices(this.space, H, all, steps);
    return all.map((vertex) => ({ y: vertex.y, vertex: this.useVertices ? vertex : undefined, u: 0 }));
  }

  private async inChunks<T>(all: T[], body: (chunk: T[]) => Promise<Contact[]>): Promise<Contact[]> {
    const result: Contact[] = [];
    for (let i = 0; i < all.length; i += this.most) result.push(...(await body(all.slice(i, i + this.most))));
    return result;
  }
}

const smoothSteps = 10;

const bounded = (x: number, low: number, high: number) => Math.max(low, Math.min(high, Math.floor(x)));
