// Trellis-coded quantisation by the definition: the algorithm of Viterbi over whole windows, and bits read one by one. A row is a circle.
//
// Shapes   table: 2^windowBits values; codes: bits of a row, the first code first, the highest bit of each byte first
// Cost     2^windowBits an entry, in f64, for each of the 2^(windowBits - bits) states that a row may begin and end at

export interface Trellis {
  readonly bits: number;
  readonly windowBits: number;
  readonly table: ArrayLike<number>;
}

/** The windows of the circle of least squared error, and that error. */
export function bestCircle(x: ArrayLike<number>, trellis: Trellis) {
  const circles = Array.from({ length: states(trellis) }, (_, s) => bestThrough(x, s, trellis));
  return circles.reduce((best, circle) => (circle.error < best.error ? circle : best));
}

const states = ({ bits, windowBits }: Trellis) => 2 ** (windowBits - bits);

/** The same of circles whose last window ends with the bits of `start`; of equal ones the lowest high bits. */
function bestThrough(x: ArrayLike<number>, start: number, trellis: Trellis) {
  const { bits, table } = trellis;
  const groups = states(trellis);
  let least: number[] = Array.from({ length: groups }, (_, u) => (u === start ? 0 : Infinity));
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
  const windows: number[] = [];
  let u = start;
  for (let i = x.length - 1; i >= 0; --i) {
    windows[i] = into[i][u];
    u = windows[i] >> bits;
  }
  return { windows, error: least[start] };
}

/** The windows of a row's n codes, of which n * bits is a multiple of 8: windowBits of the row's bits at a time, the row behind itself. */
export function windowsOf(codes: Uint8Array, n: number, { bits, windowBits }: Omit<Trellis, "table">): number[] {
  const row = Array.from(codes, (byte) => byte.toString(2).padStart(8, "0")).join("");
  const all = row.repeat(1 + Math.ceil(windowBits / row.length));
  const first = all.length - row.length - windowBits;
  return Array.from({ length: n }, (_, i) => {
    const from = first + (i + 1) * bits;
    return parseInt(all.slice(from, from + windowBits), 2);
  });
}
