// Trellis-coded quantisation by the definition: the algorithm of Viterbi over whole windows, and bits read one by one.
//
// Shapes   table: 2^windowBits values; codes: bits of a row, the first code first, the highest bit of each byte first
// Cost     2^windowBits an entry, in f64

export interface Trellis {
  readonly bits: number;
  readonly windowBits: number;
  readonly table: ArrayLike<number>;
}

/** The windows of the path of least squared error, and that error. Of equal ones the lowest low bits, then the lowest high bits. */
export function bestPath(x: ArrayLike<number>, { bits, windowBits, table }: Trellis) {
  const groups = 2 ** (windowBits - bits);
  let least: number[] = Array.from({ length: groups }, (_, u) => (u === 0 ? 0 : Infinity));
  const into: number[][] = [];
  for (let i = 0; i < x.length; ++i) {
    const [next, windows]: [number[], number[]] = [[], []];
    for (let u = 0; u < groups; ++u) {
      [next[u], windows[u]] = [Infinity, u];
      for (let w = u; w < table.length; w += groups) {
        const sum = least[w >> bits] + (x[i] - table[w]) ** 2;
        if (sum < next[u]) [next[u], windows[u]] = [sum, w];
      }
    }
    into.push(windows);
    least = next;
  }
  const error = least.reduce((a, b) => Math.min(a, b));
  const windows: number[] = [];
  let u = least.indexOf(error);
  for (let i = x.length - 1; i >= 0; --i) {
    windows[i] = into[i][u];
    u = windows[i] >> bits;
  }
  return { windows, error };
}

/** The windows of a row's n codes: the row's bits behind zeros, windowBits of them at a time. */
export function windowsOf(codes: Uint8Array, n: number, { bits, windowBits }: Omit<Trellis, "table">): number[] {
  const all = "0".repeat(windowBits) + Array.from(codes, (byte) => byte.toString(2).padStart(8, "0")).join("");
  return Array.from({ length: n }, (_, i) => parseInt(all.slice((i + 1) * bits, (i + 1) * bits + windowBits), 2));
}
