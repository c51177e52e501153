// The kernel's exports as the host sees them. Pointers and sizes are numbers; sizes come back signed, so `>>> 0` them.

/** 0 f32 rows, f32 sums; 1 f32 rows, f64 sums; 2 f64 rows, f64 sums. */
export type Form = 0 | 1 | 2;

type Pointer = number;

/** See assembly/ for shapes and costs; the names are the same. */
export interface KernelExports extends Record<string, unknown> {
  abiVersion(): number;
  heapBase(): number;
  pow(x: number, y: number): number;
  expInPlace(x: Pointer, n: number): void;
  panelBytes(wide: number, rows: number, cols: number): number;
  packPanels(wide: number, panels: Pointer, B: Pointer, rows: number, cols: number): void;
  pairBytes(form: Form, n: number, d: number): number;
  packPairs(form: Form, pairs: Pointer, X: Pointer, n: number, d: number): void;
  stripBytes(n: number): number;
  inflate(q: Pointer, squares: Pointer, n: number, factor: number): void;
  multiply(
    wide: number,
    Y: Pointer,
    X: Pointer,
    n: number,
    d: number,
    panels: Pointer,
    m: number,
    strip: Pointer,
  ): void;
  roundBlock(wide: number, at: Pointer, count: number, to: number): void;
  profileBlock(wide: number, X: Pointer, n: number, d: number, sums: Pointer, tops: Pointer): number;
  rowSquares(wide: number, q: Pointer, X: Pointer, n: number, d: number, c: Pointer): void;
  leverage(
    wide: number,
    q: Pointer,
    X: Pointer,
    n: number,
    d: number,
    panels: Pointer,
    m: number,
    triangular: number,
    strip: Pointer,
  ): void;
  lewisStart(q: Pointer, s: Pointer, now: Pointer, r: Pointer, n: number, p: number): void;
  lewisStep(
    q: Pointer,
    s: Pointer,
    now: Pointer,
    before: Pointer,
    r: Pointer,
    out: Pointer,
    n: number,
    p: number,
    gamma: number,
    omega: number,
  ): void;
  residualRows(
    form: Form,
    rows: Pointer,
    X: Pointer,
    n: number,
    d: number,
    left: Pointer,
    k: number,
    panels: Pointer,
    p: number,
    unit: number,
    strip: Pointer,
  ): void;
  residualSums(out: Pointer, rows: Pointer, n: number, s: Pointer, p: number, first: number): void;
  gramSlotBytes(form: Form, d: number): number;
  gramPackedBytes(form: Form, n: number, d: number): number;
  gramBlock(
    form: Form,
    slots: Pointer,
    A: Pointer,
    n: number,
    d: number,
    r: Pointer,
    c: Pointer,
    packed: Pointer,
    block: number,
  ): void;
  gramFinish(form: Form, G: Pointer, slots: Pointer, d: number, blocks: number): void;
  widenF16(to: Pointer, from: Pointer, count: number): void;
  widenBF16(to: Pointer, from: Pointer, count: number): void;
  cholesky(A: Pointer, n: number, tolerance: number): number;
  triangularInverse(L: Pointer, n: number): void;
  eigenWorkBytes(n: number): number;
  eigen(A: Pointer, w: Pointer, n: number, work: Pointer, vectors: number): number;
  peakF32(rounds: number): number;
}
