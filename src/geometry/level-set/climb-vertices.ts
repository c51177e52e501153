// Climbing y'Hy over a level set that is a polytope: p = 1 and p = Infinity. Each step maximises the linear c = Hy of the
// vertex it stands on, which raises y'Hy, y'Hy being convex: an active-set method, many points a sweep.
//
// p = 1         Bartels, Conn, Sinclair, Minimization techniques for piecewise differentiable functions: the l_1 solution to
//               an overdetermined linear system (1978). A vertex has r - 1 independent rows with b y = 0; a move leaves one
//               of them and ends near the least norm, where another row's product changes sign
// p = Infinity  the simplex method on |b_i y| <= 1: a vertex has r rows with b y = +-1; a move ends at the first face
//
// Where fewer rows are known, free ones make the basis up to r (vertex.ts), and the first moves go down (or up) within what
// they leave free.
// Cost     two sweeps a step, each n r (r + 2 m) multiply-adds for m points, and O(r^2) a point
import { breakBins } from "../../engine/operations/level-set.js";
import { scale, type LevelSetSpace } from "./space.js";
import { dot, timesVector } from "../basis/small-dense.js";
import { fixed, free, Vertex } from "./vertex.js";

/** Relative: a multiplier this little outside its bounds counts as inside. */
const indifferent = 1e-10;

/**
 * p = 1: vertices near these points: those that their r - 1 smallest products say. A point comes back as it is, with nothing
 * but free rows, where its vertex is lower by more than a percent.
 */
export async function snap(space: LevelSetSpace, H: Float64Array, points: Float64Array[]): Promise<Vertex[]> {
  const { rank: r } = space;
  const near = await space.smallest(points, Math.ceil(1.25 * (r - 1)) + 2);
  const result: Vertex[] = [];
  for (let j = 0; j < points.length; ++j) {
    const vertex = new Vertex(points[j], 1);
    vertex.adopt(await space.whiteRows(near[j]), near[j]);
    result.push(vertex);
  }
  await space.slopes(result.map(({ y }) => y));
  return result.map((vertex, j) => {
    const before = dot(timesVector(H, points[j]), 0, points[j], 0, r);
    return dot(timesVector(H, vertex.y), 0, vertex.y, 0, r) > 0.99 * before ? vertex : new Vertex(points[j], 1);
  });
}

interface Move {
  vertex: Vertex;
  /** Basis row that is left, or `free` for a move within what the free rows leave. */
  leaving: number;
  direction: Float64Array;
}

/**
 * Moves every vertex to one from which no edge leads up, or until `maxSteps`.
 * @param H r x r; y'Hy is what rises
 * @returns norms 1 on return: the vertices' y lie on the boundary of the level set
 */
export async function climbVertices(
  space: LevelSetSpace,
  H: Float64Array,
  all: Vertex[],
  maxSteps: number,
): Promise<void> {
  const { p } = space;
  let active = all;
  for (let step = 0; step < maxSteps && active.length; ++step) {
    const { gradients } = await space.slopes(active.map(({ y }) => y));
    const moves: Move[] = [];
    active.forEach((vertex, j) => {
      const move = p === 1 ? downhill(vertex, H, gradients[j], space) : uphill(vertex, H);
      if (move) moves.push(move);
    });
    if (moves.length === 0) return;
    const ends = await endsOf(
      space,
      moves.map(({ vertex }) => vertex.y),
      moves.map(({ direction }) => direction),
    );
    const white = await space.whiteRows(ends.map((end) => end.row).filter((row) => row >= 0));
    let at = 0;
    for (let j = 0; j < moves.length; ++j) {
      const { vertex } = moves[j];
      if (ends[j].row >= 0) moveTo(moves[j], ends[j], white[at++]);
      else if (moves[j].leaving === free) vertex.rows.forEach((row, k) => (vertex.blocked[k] ||= Number(row === free)));
      else vertex.blocked[moves[j].leaving] = 1;
      if (vertex.stale) {
        const rows = [...vertex.rows].filter((row) => row !== fixed);
        vertex.refresh(await space.whiteRows(rows));
      }
      vertex.settle();
    }
    active = moves.map(({ vertex }) => vertex);
  }
  if (active.length) await space.slopes(active.map(({ y }) => y));
}

function moveTo({ vertex, leaving, direction }: Move, { t, row, sign }: End, white: Float64Array): void {
  const { y, edges } = vertex;
  const r = y.length;
  for (let i = 0; i < r; ++i) y[i] += t * direction[i];
  if (t > 0) vertex.blocked.fill(0);
  const b = sign < 0 ? white.map((x) => -x) : white;
  const k = leaving === free ? vertex.placeOf(b) : leaving;
  // A row within the span of the basis cannot enter it.
  if (
    k === free ||
    Math.abs(dot(b, 0, edges, k * r, r)) < 1e-9 * Math.sqrt(dot(b, 0, b, 0, r) * dot(edges, k * r, edges, k * r, r))
  ) {
    if (leaving !== free) vertex.blocked[leaving] = 1;
    return;
  }
  vertex.replace(k, b, row);
  ++vertex.steps;
}

/** p = 1: the move along which |B y|_1 falls fastest while c'y stays; nothing at a vertex that has none. */
function downhill(vertex: Vertex, H: Float64Array, gradient: Float64Array, space: LevelSetSpace): Move | undefined {
  const { y, rows, edges, blocked } = vertex;
  const r = y.length;
  const c = timesVector(H, y);
  const cy = dot(c, 0, y, 0, r);
  const slopes = new Float64Array(r);
  const direction = new Float64Array(r);
  let steepest = 0;
  let leaving = free;
  let within = 0;
  let most = 0;
  for (let k = 0; k < r; ++k) {
    if (rows[k] === fixed || blocked[k]) continue;
    const along = dot(c, 0, edges, k * r, r) / cy;
    const slope = dot(gradient, 0, edges, k * r, r) - along;
    slopes[k] = slope;
    if (rows[k] === free) {
      within += slope * slope;
      continue;
    }
    const excess = Math.abs(slope) - space.weightOf(rows[k]);
    if (!(excess > indifferent)) continue;
    const size = edgeLength(edges, k, y, along);
    if (excess / size > steepest) {
      steepest = excess / size;
      leaving = k;
      most = along;
    }
  }
  if (within > indifferent * indifferent) {
    for (let k = 0; k < r; ++k) {
      if (rows[k] !== free || blocked[k]) continue;
      const along = dot(c, 0, edges, k * r, r) / cy;
      for (let i = 0; i < r; ++i) direction[i] -= slopes[k] * (edges[k * r + i] - along * y[i]);
    }
    leaving = free;
  } else if (leaving !== free) {
    const sign = slopes[leaving] > 0 ? -1 : 1;
    for (let i = 0; i < r; ++i) direction[i] = sign * (edges[leaving * r + i] - most * y[i]);
  } else return undefined;
  scale(direction, Math.sqrt(dot(y, 0, y, 0, r) / dot(direction, 0, direction, 0, r)));
  return { vertex, leaving, direction };
}

function edgeLength(edges: Float64Array, k: number, y: Float64Array, along: number): number {
  const r = y.length;
  let size = 0;
  for (let i = 0; i < r; ++i) {
    const rest = edges[k * r + i] - along * y[i];
    size += rest * rest;
  }
  return Math.sqrt(size);
}

/** p = Infinity: the move along which c'y rises fastest. */
function uphill(vertex: Vertex, H: Float64Array): Move | undefined {
  const { y, rows, edges, blocked } = vertex;
  const r = y.length;
  const c = timesVector(H, y);
  const cy = dot(c, 0, y, 0, r);
  const direction = new Float64Array(r);
  let steepest = 0;
  let leaving = free;
  let within = 0;
  for (let k = 0; k < r; ++k) {
    if (blocked[k]) continue;
    const slope = dot(c, 0, edges, k * r, r) / cy;
    if (rows[k] === free) {
      within += slope * slope;
      for (let i = 0; i < r; ++i) direction[i] += slope * edges[k * r + i];
      continue;
    }
    // Rows stand in the basis with the sign that makes b y = 1: inwards is minus the edge.
    const size = Math.sqrt(dot(edges, k * r, edges, k * r, r));
    if (-slope > indifferent && -slope / size > steepest) {
      steepest = -slope / size;
      leaving = k;
    }
  }
  if (within > indifferent * indifferent) leaving = free;
  else if (leaving !== free) for (let i = 0; i < r; ++i) direction[i] = -edges[leaving * r + i];
  else return undefined;
  scale(direction, Math.sqrt(dot(y, 0, y, 0, r) / dot(direction, 0, direction, 0, r)));
  return { vertex, leaving, direction };
}

/** Where a move ends: -1 for nowhere. */
interface End {
  t: number;
  row: number;
  sign: number;
}

/** Where a move from each point ends. */
async function endsOf(space: LevelSetSpace, points: Float64Array[], moves: Float64Array[]): Promise<End[]> {
  if (space.p === 1) {
    const { slopes, firsts } = await space.breaks(points, moves);
    return moves.map((_, j) => nearLeast(slopes, firsts, j));
  }
  const { firsts } = await space.faces(points, moves);
  return moves.map((_, j) => firstFace(firsts, j));
}

const nowhere: End = { t: 0, row: -1, sign: 1 };

/** The first breakpoint of the bin in which the slope turns positive: downhill all the way, and the least norm is near. */
function nearLeast(slopes: Float64Array, firsts: Float64Array, j: number): End {
  let slope = slopes[j * (breakBins + 1) + breakBins];
  if (!(slope < 0)) return nowhere;
  let end = nowhere;
  for (let k = 0; k < breakBins; ++k) {
    const row = firsts[2 * (j * breakBins + k) + 1];
    if (row >= 0) end = { t: -firsts[2 * (j * breakBins + k)], row, sign: 1 };
    slope += slopes[j * (breakBins + 1) + k];
    if (slope >= 0) break;
  }
  return end;
}

function firstFace(firsts: Float64Array, j: number): End {
  const at = firsts[2 * j + 1];
  return at === 0 ? nowhere : { t: -firsts[2 * j], row: Math.abs(at) - 1, sign: at < 0 ? -1 : 1 };
}
