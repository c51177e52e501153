// Trellis-coded quantisation: rows of nearly normal entries in `bits` bits each, decoded by one lookup.
//
// Marcellin, Fischer, Trellis coded quantization of memoryless and Gauss-Markov sources (1990), on the bit-shift trellis of Tseng, Sun,
// Hou, De Sa, QTIP (2024, arXiv 2406.11235); encoded by the algorithm of Viterbi (1967).
//
// Trellis  a row begins at window 0. A step shifts its code into the window, windows have `windowBits` bits (L):
//              w_i = (w_(i-1) << bits | code_i) mod 2^L,    y_i = table[w_i]
// Codes    a row is ceil(n bits / 8) bytes, rows follow one another. Code i is bits i * bits ... (i + 1) * bits - 1 of its row, the
//          highest bit of each byte first; bits past the last code are 0. So with zeros before the row, w_i is the L bits that end with
//          code i, and with e = (i + 1) bits the integer made of the bytes up to byte ceil(e / 8) - 1, that one included,
//              w_i = (integer >> (-e mod 8)) mod 2^L
//          of which ceil((L + 7) / 8) bytes are enough; where bits divides 8, that byte and ceil((L - bits) / 8) before it.
//          `bits` bytes are 8 codes, which is the period of shifts.
// Layout   X      rows x n f32, `stride` elements apart, root mean square about 1, |x| < 2^60
//          table  2^L f32       sums  rows x 3 f64: |x - y|^2, <x, y>, <y, y>       work  trellisWorkBytes
// Limits   1 <= bits <= 8, bits + 2 <= L <= 16
// Path     m_i[u] is the least squared error of codes 0 ... i - 1 that end in a window whose low L - bits bits are u:
//              m_(i+1)[u] = min over t of m_i[w >> bits] + (x_i - table[w])^2,    w = t 2^(L - bits) + u
//          All m_i are kept, in f32, and nothing else: on the way back the t that gave a minimum is found by computing it again. Of equal
//          sums the last u, and before it every t, is the lowest.
// Cost     2^L of (subtract, multiply, add, minimum) an entry, 4 at once; way back and decoding are little beside it

/** Bytes of `work` for rows of n entries: m_0 ... m_n. */
export function trellisWorkBytes(n: u32, bits: u32, windowBits: u32): usize {
  return (<usize>n + 1) << (windowBits - bits + 2);
}

/** m + (x - y)^2 */
// @ts-ignore: decorator
@inline function through(x: v128, y: v128, m: v128): v128 {
  const r = f32x4.sub(x, y);
  return f32x4.add(m, f32x4.mul(r, r));
}

// @ts-ignore: decorator
@inline function lowTwice(m: v128): v128 {
  return i8x16.shuffle(m, m, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7);
}

// @ts-ignore: decorator
@inline function highTwice(m: v128): v128 {
  return i8x16.shuffle(m, m, 8, 9, 10, 11, 8, 9, 10, 11, 12, 13, 14, 15, 12, 13, 14, 15);
}

// One step, from m to next; `plane` is 4 * 2^(L - bits), the bytes of each. Windows of equal t lie `plane` apart in the table, and
// their m `plane >> bits`. Sixteen u at a time: four minima in registers.

function stepOne(next: usize, m: usize, table: usize, x: v128, plane: usize): void {
  for (let o: usize = 0; o < plane; o += 64) {
    const y = table + o, z = y + plane, p = m + (o >> 1), q = p + (plane >> 1);
    const p0 = v128.load(p), p1 = v128.load(p, 16), q0 = v128.load(q), q1 = v128.load(q, 16);
    v128.store(next + o, f32x4.pmin(through(x, v128.load(y), lowTwice(p0)), through(x, v128.load(z), lowTwice(q0))));
    v128.store(next + o, f32x4.pmin(through(x, v128.load(y, 16), highTwice(p0)), through(x, v128.load(z, 16), highTwice(q0))), 16);
    v128.store(next + o, f32x4.pmin(through(x, v128.load(y, 32), lowTwice(p1)), through(x, v128.load(z, 32), lowTwice(q1))), 32);
    v128.store(next + o, f32x4.pmin(through(x, v128.load(y, 48), highTwice(p1)), through(x, v128.load(z, 48), highTwice(q1))), 48);
  }
}

/** Where the m of the window lies whose place in the table is `y`. */
// @ts-ignore: decorator
@inline function before(m: usize, y: usize, table: usize, bits: u32): usize {
  return m + (((y - table) >> bits) & ~3);
}

/** bits >= 2: windows in fours share their m. Constant `bits` leaves as many loads of m as there are different ones. */
// @ts-ignore: decorator
@inline function stepMany(next: usize, m: usize, table: usize, x: v128, plane: usize, bits: u32): void {
  const end = plane << bits;
  for (let o: usize = 0; o < plane; o += 64) {
    let a = f32x4.splat(Infinity), b = a, c = a, d = a;
    for (let y = table + o, last = y + end; y != last; y += plane) {
      const p = before(m, y, table, bits), m0 = v128.load32_splat(p);
      const m1 = bits == 2 ? v128.load32_splat(p, 4) : m0;
      const m2 = bits == 2 ? v128.load32_splat(p, 8) : bits == 3 ? v128.load32_splat(p, 4) : m0;
      const m3 = bits == 2 ? v128.load32_splat(p, 12) : m2;
      a = f32x4.pmin(a, through(x, v128.load(y), m0));
      b = f32x4.pmin(b, through(x, v128.load(y, 16), m1));
      c = f32x4.pmin(c, through(x, v128.load(y, 32), m2));
      d = f32x4.pmin(d, through(x, v128.load(y, 48), m3));
    }
    v128.store(next + o, a);
    v128.store(next + o, b, 16);
    v128.store(next + o, c, 32);
    v128.store(next + o, d, 48);
  }
}

/** Fewer than sixteen u: four at a time. */
function stepFew(next: usize, m: usize, table: usize, x: v128, plane: usize, bits: u32): void {
  const end = plane << bits;
  for (let o: usize = 0; o < plane; o += 16) {
    let a = f32x4.splat(Infinity);
    for (let y = table + o, last = y + end; y != last; y += plane) {
      const p = before(m, y, table, bits);
      a = f32x4.pmin(a, through(x, v128.load(y), bits == 1 ? lowTwice(v128.load64_zero(p)) : v128.load32_splat(p)));
    }
    v128.store(next + o, a);
  }
}

/** m_0 ... m_n of one row: at first window 0 alone. */
function forward(work: usize, x: usize, n: u32, bits: u32, plane: usize, table: usize): void {
  for (let o: usize = 0; o < plane; o += 4) store<f32>(work + o, Infinity);
  store<f32>(work, 0);
  for (let i: u32 = 0; i < n; ++i) {
    const next = work + plane, xi = v128.load32_splat(x + (<usize>i << 2));
    if (plane < 64) stepFew(next, work, table, xi, plane, bits);
    else if (bits == 1) stepOne(next, work, table, xi, plane);
    else if (bits == 2) stepMany(next, work, table, xi, plane, 2);
    else if (bits == 3) stepMany(next, work, table, xi, plane, 3);
    else stepMany(next, work, table, xi, plane, bits);
    work = next;
  }
}

/** The place of the least of count f32, the first of equal ones. */
function leastOf(m: usize, count: u32): u32 {
  let best: u32 = 0;
  for (let u: u32 = 1; u < count; ++u) if (load<f32>(m + (<usize>u << 2)) < load<f32>(m + (<usize>best << 2))) best = u;
  return best;
}

/** The first window that leads from m to m_(i+1)[u]. */
// @ts-ignore: decorator
@inline function windowInto(m: usize, table: usize, x: f32, u: u32, bits: u32, plane: usize): u32 {
  const apart = <u32>(plane >> 2), end = u + (apart << bits);
  let best = u, least: f32 = Infinity;
  for (let w = u; w < end; w += apart) {
    const r = x - load<f32>(table + (<usize>w << 2)), sum = load<f32>(m + (<usize>(w >> bits) << 2)) + r * r;
    if (sum < least) {
      least = sum;
      best = w;
    }
  }
  return best;
}

/** The code at position i into a row of zeros. */
// @ts-ignore: decorator
@inline function putCode(row: usize, i: u32, bits: u32, code: u32): void {
  const from = <usize>i * bits, at = row + (from >> 3);
  const both = code << (16 - bits - (<u32>from & 7));
  store<u8>(at, load<u8>(at) | <u8>(both >> 8));
  if (both & 255) store<u8>(at, load<u8>(at, 1) | <u8>both, 1);
}

/** Codes of the path of least squared error for each of `rows` rows, and its sums. */
export function trellisEncode(
  codes: usize, sums: usize, X: usize, rows: u32, n: u32, stride: u32, bits: u32, windowBits: u32, table: usize, work: usize,
): void {
  const plane: usize = 4 << (windowBits - bits), rowBytes = (<usize>n * bits + 7) >> 3, last: u32 = (1 << bits) - 1;
  for (let row: u32 = 0; row < rows; ++row) {
    forward(work, X, n, bits, plane, table);
    memory.fill(codes, 0, rowBytes);
    let u = leastOf(work + <usize>n * plane, <u32>(plane >> 2));
    let error: f64 = 0, along: f64 = 0, square: f64 = 0;
    for (let i = n; i-- > 0; ) {
      const x = load<f32>(X + (<usize>i << 2));
      const w = windowInto(work + <usize>i * plane, table, x, u, bits, plane);
      const y = <f64>load<f32>(table + (<usize>w << 2)), r = <f64>x - y;
      error += r * r;
      along += <f64>x * y;
      square += y * y;
      putCode(codes, i, bits, w & last);
      u = w >> bits;
    }
    store<f64>(sums, error);
    store<f64>(sums, along, 8);
    store<f64>(sums, square, 16);
    sums += 24;
    codes += rowBytes;
    X += <usize>stride << 2;
  }
}

/** out (rows x n f32) = table[window] times the row's scale, in f32; `scales` are rows f32, or 0 for none. */
export function trellisDecode(out: usize, codes: usize, rows: u32, n: u32, bits: u32, windowBits: u32, table: usize, scales: usize): void {
  const mask: u32 = (1 << windowBits) - 1, last: u32 = (1 << bits) - 1;
  for (let row: u32 = 0; row < rows; ++row) {
    const scale: f32 = scales ? load<f32>(scales + (<usize>row << 2)) : 1;
    let window: u32 = 0, read: u32 = 0, held: u32 = 0;
    for (let i: u32 = 0; i < n; ++i) {
      if (held < bits) {
        read = (read << 8) | load<u8>(codes++);
        held += 8;
      }
      held -= bits;
      window = ((window << bits) | ((read >> held) & last)) & mask;
      store<f32>(out, load<f32>(table + (<usize>window << 2)) * scale);
      out += 4;
    }
  }
}
