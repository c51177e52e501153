// A worker's part of an eigenproblem that all workers solve together: steps that the coordinator asks for one after the other
// (thread-eigen.ts and thread-reduction.ts). What it holds in wasm memory between them: the reflectors; before these are all there its parts of the matrix;
// later its columns of the tridiagonal's vectors; at last its rows of the answer.
import type { Kernel } from "../../kernel/load.js";
import { Frame } from "../../kernel/frame.js";
import type { Subtree } from "../block-sweep.js";

/** Parts of the matrix, by number: subtrees of the tree that their products are added along. */
export interface ReduceInput {
  n: number;
  parts: readonly Subtree[];
  /** Packed (assembly/eigen-symmetric.ts). */
  matrix: Float64Array;
}

export interface ColumnInput {
  i: number;
  /** Row that the block ends before. */
  end: number;
  /** u_i, i entries. */
  u: Float64Array;
  /** Wanted: A u_i. */
  multiply: boolean;
}

export interface UpdateInput {
  /** First row of the block that is done. */
  start: number;
  /** `start` entries of each w of the block, none where the block left the matrix as it was. */
  w: Float64Array;
  /** Rows wanted of what is left: from this one on. */
  first: number;
}

export interface DivideInput {
  n: number;
  count: number;
  /** Panels of 8 columns: from the first to before the last. */
  panels: readonly [number, number];
  leaves: readonly { low: number; d: Float64Array; e: Float64Array }[];
}

export interface MergeInput {
  low: number;
  half: number;
  rho: number;
  d: Float64Array;
  z: Float64Array;
  wanted: number;
}

/** Eigenvalues of a range of rows, and the first and last column of its vectors where they are here. */
export interface Divided {
  /** 0, or 1 + the number of an eigenvalue that did not converge. */
  failed: number;
  d: Float64Array;
  first?: Float64Array;
  last?: Float64Array;
}

const panelRow = 64;

export class EigenShare {
  private readonly start: number;
  private readonly frame: Frame;
  private n = 0;
  private range: [number, number] = [0, 0];
  private parts: readonly Subtree[] = [];
  private reflectors = 0;
  /** Memory from here on is that of the present stage. */
  private stage = 0;
  private matrix = 0;
  private X = 0;
  private Y = 0;
  private room = 0;
  private count = 0;
  private panels: readonly [number, number] = [0, 0];
  private V = 0;
  private d = 0;
  private e = 0;
  private work = 0;
  private pairs = 0;

  constructor(private readonly kernel: Kernel) {
    this.start = kernel.top;
    this.frame = new Frame(kernel);
  }

  /** Its memory is given back. */
  end(): void {
    this.kernel.top = this.start;
  }

  /** Takes parts of the matrix. */
  reduce({ n, parts, matrix }: ReduceInput): void {
    const { frame, kernel } = this;
    const { call } = kernel;
    this.n = n;
    this.parts = parts;
    const last = parts[parts.length - 1];
    this.range = [parts[0].first, last.first + last.blocks];
    this.reflectors = frame.bytes(call.reflectorOffset(n) >>> 0);
    this.stage = kernel.top;
    this.matrix = frame.copy(matrix);
    this.X = frame.bytes(call.blockBytes(n));
    kernel.bytes(this.X, call.blockBytes(n)).fill(0);
    this.Y = frame.bytes((this.range[1] - this.range[0]) * call.rowBytes(n));
    this.room = frame.bytes(call.updateBytes(n, this.depth));
  }

  /** Vectors of a block, u and w. */
  private get depth(): number {
    return Math.floor(this.kernel.call.blockBytes(this.n) / (this.kernel.call.rowBytes(this.n) + 8));
  }

  private vectorOf(number: number): number {
    return this.X + number * this.kernel.call.rowBytes(this.n);
  }

  /** Takes a reflector. The sums of what subtrees of its parts make of it. */
  column({ i, end, u, multiply }: ColumnInput): Float64Array[] {
    const { kernel, n, range, parts, Y } = this;
    const { call } = kernel;
    const at = this.vectorOf(2 * (end - 1 - i));
    kernel.f64(this.reflectors + (call.reflectorOffset(i) >>> 0), i).set(u);
    kernel.f64(at, i).set(u);
    if (!multiply) return [];
    const stride = call.rowBytes(n);
    call.multiplyParts(Y, stride, this.matrix, n, 1, i, at, ...range);
    return parts.map(({ first, blocks }) => {
      const sum = Y + (first - range[0]) * stride;
      call.addParts(sum, stride, i, blocks);
      return kernel.f64(sum, i).slice();
    });
  }

  /** Takes a block off the matrix; those of the rows asked for that are here, as far as the diagonal. */
  update({ start, w, first }: UpdateInput): { row: number; entries: Float64Array }[] {
    const { kernel, n, range, depth } = this;
    const { call } = kernel;
    if (w.length) {
      for (let k = 0; 2 * k < depth; ++k)
        kernel.f64(this.vectorOf(2 * k + 1), start).set(w.subarray(k * start, (k + 1) * start));
      call.subtractBlock(this.matrix, n, 1, start, this.X, call.rowBytes(n), depth, ...range, this.room);
    }
    const rows = [];
    for (let row = first; row < start; ++row) {
      const offset = call.rowOffset(n, row, ...range);
      if (offset >= 0) rows.push({ row, entries: kernel.f64(this.matrix + offset, row + 1).slice() });
    }
    return rows;
  }

  /** Solves some ranges of rows. The matrix makes room for vectors. */
  divide({ n, count, panels, leaves }: DivideInput): Divided[] {
    const { kernel, frame } = this;
    const { call } = kernel;
    kernel.top = this.stage;
    this.count = count;
    this.panels = panels;
    const bytes = (panels[1] - panels[0]) * n * panelRow;
    kernel.mustFit(bytes + 8 * n * Math.max(count, n / 4));
    this.V = frame.bytes(bytes);
    kernel.f64(this.V, bytes / 8).fill(0);
    this.d = frame.f64(n);
    this.e = frame.f64(n);
    this.work = frame.bytes(call.mergeBytes(n) >>> 0);
    this.pairs = frame.bytes(call.mergePairBytes(n, count) >>> 0);
    return leaves.map(({ low, d, e }) => {
      const size = d.length;
      kernel.f64(this.d, n).set(d, low);
      kernel.f64(this.e, n).set(e, low);
      const V = this.V - panels[0] * n * panelRow;
      const failed = call.divide(this.d, this.e, low, size, n, V, 1, size, this.work, this.pairs);
      return { failed, ...this.found(low, size, this.d + 8 * low) };
    });
  }

  merge(nodes: readonly MergeInput[]): Divided[] {
    return nodes.map(({ low, half, rho, d, z, wanted }) => {
      const { kernel, n, panels, work } = this;
      const size = d.length;
      const [from, to] = [low >> 3, (low + size + 7) >> 3];
      const [first, last] = [Math.max(panels[0], from), Math.min(panels[1], to)];
      kernel.f64(this.d, size).set(d);
      kernel.f64(work, size).set(z);
      const rows = this.V + (first - panels[0]) * n * panelRow + low * panelRow;
      const split = half >> 3;
      const failed = kernel.call.mergePanels(
        ...([this.d, work, size, half, rho, rows, n * panelRow, first - from, split, last - from] as const),
        ...([wanted, this.pairs] as const),
      );
      return { failed, ...this.found(low, size, this.d) };
    });
  }

  private found(low: number, size: number, d: number): Omit<Divided, "failed"> {
    const { kernel, panels } = this;
    const [from, to] = [low >> 3, (low + size + 7) >> 3];
    const isHere = (panel: number) => panel >= panels[0] && panel < panels[1];
    return {
      d: kernel.f64(d, size).slice(),
      first: isHere(from) ? this.lane(from, 0, low, size) : undefined,
      last: isHere(to - 1) && size % 8 === 0 ? this.lane(to - 1, 7, low, size) : undefined,
    };
  }

  /** One column of the vectors. */
  private lane(panel: number, lane: number, low: number, size: number): Float64Array {
    const panelRows = this.kernel.f64(this.V + ((panel - this.panels[0]) * this.n + low) * panelRow, 8 * size);
    return Float64Array.from({ length: size }, (_, i) => panelRows[8 * i + lane]);
  }

  /** The vectors of the largest eigenvalues, those first: `count` rows of its columns. */
  vectors(): Float64Array {
    const { kernel, n, count, panels } = this;
    const cols = 8 * (panels[1] - panels[0]);
    const rows = new Float64Array(count * cols);
    for (let c = 0; c < cols; c += 8) {
      const panel = kernel.f64(this.V + c * n * 8, 8 * n);
      for (let r = 0; r < count; ++r) {
        const from = 8 * (n - 1 - r);
        for (let lane = 0; lane < 8; ++lane) rows[r * cols + c + lane] = panel[from + lane];
      }
    }
    return rows;
  }

  /** Rows of the tridiagonal's vectors, each filled up to whole panels, become the matrix's. */
  back({ rows, count, tau }: { rows: Float64Array; count: number; tau: Float64Array }): Float64Array {
    const { kernel, frame, n } = this;
    const { call } = kernel;
    kernel.top = this.stage;
    const scales = frame.copy(tau);
    const at = frame.copy(rows);
    const pairs = frame.bytes(call.rowPairBytes(n, count) >>> 0);
    const work = frame.bytes(call.reflectorWorkBytes(n));
    call.packPairs(2, pairs, at, count, rows.length / count);
    call.applyReflectors(this.reflectors, 1, n, scales, pairs, count, work);
    call.unpackRows(at, pairs, n, count);
    return kernel.f64(at, n * count).slice();
  }
}
