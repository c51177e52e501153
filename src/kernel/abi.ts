// The kernel's exports as the host sees them. Pointers and sizes are numbers; sizes come back signed, so `>>> 0` them.

/** 0 f32 rows, f32 sums; 1 f32 rows, f64 sums; 2 f64 rows, f64 sums. */
export type Form = 0 | 1 | 2;

type Pointer = number;

/** Of the signatures below; assembly/index.ts has the same number. */
export const abiVersion = 6;

/** See assembly/ for shapes and costs; the names are the same. */
export interface KernelExports {
  abiVersion(): number;
  heapBase(): number;
  pow(x: number, y: number): number;
  expInPlace(x: Pointer, n: number): void;
  logInPlace(x: Pointer, n: number): void;
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
  /** Index of the first that is NaN or infinite, or -1. */
  firstInfinite(wide: number, at: Pointer, count: number): number;
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
    terms: Pointer,
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
  factorWorkBytes(n: number): number;
  cholesky(A: Pointer, n: number, tolerance: number, work: Pointer): number;
  triangularInverse(L: Pointer, n: number, work: Pointer): void;
  eigenWorkBytes(n: number, count: number): number;
  eigen(A: Pointer, w: Pointer, n: number, work: Pointer, count: number): number;
  tridiagonalBytes(n: number): number;
  tridiagonalise(A: Pointer, n: number, d: Pointer, e: Pointer, tau: Pointer, work: Pointer): void;
  /** Bytes of u and w of a block of the tridiagonal reduction, and of one of them. */
  blockBytes(n: number): number;
  rowBytes(n: number): number;
  blockStart(end: number): number;
  reflectRow(
    row: Pointer,
    n: number,
    i: number,
    end: number,
    X: Pointer,
    d: Pointer,
    e: Pointer,
    tau: Pointer,
    some: number,
  ): number;
  finishRow(y: Pointer, n: number, i: number, end: number, X: Pointer, t: number, some: number): void;
  lastEntry(corner: number, n: number, end: number, X: Pointer): number;
  /** Parts that a symmetric matrix is dealt out in, where each of its rows is, and what they give. */
  partsOf(n: number): number;
  partBytes(n: number, first: number, last: number): number;
  rowOffset(n: number, row: number, first: number, last: number): number;
  multiplyParts(
    Y: Pointer,
    stride: number,
    A: Pointer,
    n: number,
    packed: number,
    m: number,
    v: Pointer,
    first: number,
    last: number,
  ): void;
  addParts(Y: Pointer, stride: number, m: number, parts: number): void;
  updateBytes(n: number, depth: number): number;
  subtractBlock(
    A: Pointer,
    n: number,
    packed: number,
    m: number,
    X: Pointer,
    stride: number,
    depth: number,
    first: number,
    last: number,
    work: Pointer,
  ): void;
  vectorPanelBytes(n: number, vectors: number): number;
  /** Rows low ... low + size - 1 of a tridiagonal matrix; 0, or 1 + the number of an eigenvalue that did not converge. */
  divide(
    d: Pointer,
    e: Pointer,
    low: number,
    size: number,
    n: number,
    V: Pointer,
    vectors: number,
    wanted: number,
    work: Pointer,
    pairs: Pointer,
  ): number;
  firstHalf(n: number): number;
  mergeBytes(n: number): number;
  mergePairBytes(n: number, wanted: number): number;
  mergePanels(
    d: Pointer,
    work: Pointer,
    n: number,
    half: number,
    rho: number,
    rows: Pointer,
    stride: number,
    first: number,
    split: number,
    last: number,
    wanted: number,
    pairs: Pointer,
  ): number;
  applyReflectors(
    A: Pointer,
    packed: number,
    n: number,
    tau: Pointer,
    pairs: Pointer,
    count: number,
    work: Pointer,
  ): void;
  reflectorOffset(i: number): number;
  reflectorWorkBytes(n: number): number;
  rowPairBytes(n: number, count: number): number;
  unpackRows(A: Pointer, pairs: Pointer, n: number, count: number): void;
  uniforms(out: Pointer, n: number, seedLow: number, seedHigh: number, stream: number, first: number): void;
  normals(out: Pointer, n: number, seedLow: number, seedHigh: number, stream: number, first: number): void;
  subspaceRows(
    q: Pointer,
    stride: number,
    squares: Pointer,
    s: Pointer,
    r: Pointer,
    distance: Pointer,
    out: Pointer,
    n: number,
    p: number,
    floor: number,
    unit: number,
    error: number,
  ): void;
  peakF32(rounds: number): number;
  entrywiseWeights(
    wide: number,
    W: Pointer,
    WR: Pointer,
    A: Pointer,
    Y: Pointer,
    s: Pointer,
    n: number,
    d: number,
    p: number,
    unit: number,
    eps: number,
    across: number,
    out: Pointer,
  ): void;
  outerProducts(P: Pointer, x: Pointer, count: number, k: number): void;
  solveSystems(x: Pointer, G: Pointer, b: Pointer, count: number, k: number, damping: number, work: Pointer): void;
  shareBytes(): number;
  shareTable(table: Pointer, p: number): void;
  splitTarget(
    wide: number,
    Z: Pointer,
    A: Pointer,
    v: Pointer,
    n: number,
    d: number,
    base: Pointer,
    level: number,
    unit: number,
    table: Pointer,
  ): void;
  splitUpdate(
    form: Form,
    Z: Pointer,
    A: Pointer,
    v: Pointer,
    Y: Pointer,
    n: number,
    d: number,
    base: Pointer,
    sums: Pointer,
    p: number,
    unit: number,
    outside: number,
    fresh: number,
    level: number,
    next: number,
    keep: number,
    floor: number,
    table: Pointer,
  ): void;
  keepBetter(best: Pointer, bestSums: Pointer, Z: Pointer, sums: Pointer, n: number, rowBytes: number): void;
  penaltyScales(scales: Pointer, s: Pointer, base: Pointer, n: number, p: number, size: number): void;
  weightedSum(out: Pointer, x: Pointer, s: Pointer, n: number): void;
  lewisScale(
    w: Pointer,
    s: Pointer,
    squares: Pointer,
    log: Pointer,
    scale: Pointer,
    live: Pointer,
    n: number,
    p: number,
  ): void;
  whitenedRows(
    q: Pointer,
    order: Pointer,
    pairs: Pointer,
    n: number,
    d: number,
    panels: Pointer,
    m: number,
    triangular: number,
    strip: Pointer,
    work: Pointer,
  ): void;
  sensitivityTerms(score: Pointer, q: Pointer, s: Pointer, log: Pointer, out: Pointer, n: number, p: number): void;
  normsBlock(
    norms: Pointer,
    gradients: Pointer,
    pairs: Pointer,
    n: number,
    d: number,
    panels: Pointer,
    m: number,
    s: Pointer,
    p: number,
    strip: Pointer,
  ): void;
  transposeBlock(to: Pointer, from: Pointer, n: number, d: number): void;
  levelSetSlopes(
    V: Pointer,
    s: Pointer,
    n: number,
    m: number,
    p: number,
    zero: number,
    sums: Pointer,
    tops: Pointer,
  ): void;
  levelSetScales(r: Pointer, V: Pointer, s: Pointer, n: number, m: number, p: number, floors: Pointer): void;
  levelSetTrials(
    sums: Pointer,
    VD: Pointer,
    s: Pointer,
    n: number,
    m: number,
    p: number,
    steps: Pointer,
    count: number,
  ): void;
  levelSetBreaks(
    slopes: Pointer,
    firsts: Pointer,
    VD: Pointer,
    s: Pointer,
    n: number,
    m: number,
    bins: number,
    zero: number,
    first: number,
  ): void;
  levelSetFaces(firsts: Pointer, VD: Pointer, s: Pointer, n: number, m: number, zero: number, first: number): void;
  quantiseWorkBytes(padded: number, block: number): number;
  quantiseRows(
    wide: number,
    out: Pointer,
    X: Pointer,
    n: number,
    k: number,
    padded: number,
    block: number,
    bits: number,
    levels: Pointer,
    zero: number,
    factor: number,
    starts: Pointer,
    startCount: number,
    unbiased: number,
    difference: number,
    first: Pointer,
    second: Pointer,
    scales: Pointer,
    work: Pointer,
  ): void;
  trellisWorkBytes(n: number, bits: number, windowBits: number): number;
  trellisPrepare(work: Pointer, n: number, bits: number, windowBits: number, table: Pointer): void;
  trellisEncode(
    codes: Pointer,
    sums: Pointer,
    X: Pointer,
    rows: number,
    n: number,
    stride: number,
    bits: number,
    windowBits: number,
    table: Pointer,
    work: Pointer,
  ): void;
  trellisDecode(
    out: Pointer,
    codes: Pointer,
    rows: number,
    n: number,
    bits: number,
    windowBits: number,
    table: Pointer,
    scales: Pointer,
  ): void;
}
