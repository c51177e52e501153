// Trellis-coded quantisation: rows of nearly normal entries in `bits` bits each, decoded by one lookup.
//
// Marcellin, Fischer, Trellis coded quantization of memoryless and Gauss-Markov sources (1990), on the bit-shift trellis of Tseng, Sun,
// Hou, De Sa, QTIP (2024, arXiv 2406.11235); encoded by the algorithm of Viterbi (1967). Tail-biting as in QTIP: Solomon, van Tilborg, A
// connection between block and convolutional codes (1979).
//
// Trellis  a step shifts its code into the window, windows have `windowBits` bits (L):
//              w_i = (w_(i-1) << bits | code_i) mod 2^L,    y_i = table[w_i]
//          A row is a circle: w_(-1) = w_(n-1), so before its first bit it goes on with its last one, as often as it takes.
// Codes    a row is n bits / 8 bytes, rows follow one another. Code i is bits i * bits ... (i + 1) * bits - 1 of its row, the highest
//          bit of each byte first; w_i is the L bits that end with code i. With e = (i + 1) bits and the integer made of the bytes up to
//          byte ceil(e / 8) - 1, that one included, where bytes before byte 0 are the row's last ones,
//              w_i = (integer >> (-e mod 8)) mod 2^L
//          of which ceil((L + 7) / 8) bytes are enough; where bits divides 8, that byte and ceil((L - bits) / 8) before it.
// Layout   X      rows x n f32, `stride` elements apart, root mean square about 1, |x| < 2^60
//          table  2^L f32       sums  rows x 3 f64: |x - y|^2, <x, y>, <y, y>       work  trellisWorkBytes
// Limits   1 <= bits <= 8, bits + 2 <= L <= 16, n a multiple of 8
// States   between windows a path is at u, the low S = L - bits bits of the one before and the high ones of the next. Read backwards a
//          row is a row of the same trellis: windows and states with their bits reversed, codes too.
// Halves   a path on a circle through s between entries n - 1 and 0 is two paths of n / 2 entries from s, one forwards, one backwards,
//          that meet on the other side. m_k[u] is the least squared error of k entries from s to u:
//              m_(k+1)[u] = min over t of m_k[w >> bits] + (x - table[w])^2,    w = t 2^S + u
//          All m_k are kept, in f32, and nothing else: on the way back the t that gave a minimum is found by computing it again. Of equal
//          sums the u where halves meet, and from there every t, is the lowest. While few states can be reached only those are seen to.
// Through  which s? Halves of h entries from anywhere, that meet at s, bound from below what a circle through s errs. The s of least bound
//          is taken, or in short rows several by rising bound, until `effort` is spent or a bound is above the least error found. h is
//          n / 2, or in long rows what `effort` leaves of it, n / 4 and more. A row of fewer than S bits is at an s of its period.
// Cost     2^L of (subtract, multiply, add, minimum) an entry of `effort`, 4 at once: 3/2 n, in rows of less than 96 up to 232

/** What a row of n entries may take, in entries. */
// @ts-ignore: decorator
@inline function effort(n: u32): i64 {
  return max<i64>(<i64>n * 3 / 2, 240 - <i64>n);
}

/** Bytes of `work` for rows of n entries: m of two halves, bounds, errors, the table backwards, windows backwards. */
export function trellisWorkBytes(n: u32, bits: u32, windowBits: u32): f64 {
  return (<f64>n + 4) * <f64>(4 << (windowBits - bits)) + <f64>(6 << windowBits);
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

/** Fills count f32, a multiple of 4. */
function fill(m: usize, count: u32, x: f32): void {
  const all = f32x4.splat(x);
  for (let i: u32 = 0; i < count; i += 4) v128.store(m + (<usize>i << 2), all);
}

/** A step to where `count` windows lead, the first one `from`; whatever else m leads to is out of reach. */
function stepInto(next: usize, m: usize, table: usize, x: v128, plane: usize, bits: u32, from: u32, count: u32): void {
  fill(next, <u32>(plane >> 2), Infinity);
  // Of 2 windows with 2 more at their side: those come from out of reach.
  from &= ~3;
  for (let y = table + (<usize>from << 2), end = y + (<usize>count << 2); y < end; y += 16) {
    const p = before(m, y, table, bits), at = next + ((y - table) & (plane - 1));
    const a = through(x, v128.load(y), bits == 1 ? lowTwice(v128.load64_zero(p)) : v128.load32_splat(p));
    v128.store(at, f32x4.pmin(v128.load(at), a));
  }
}

/** m_1 ... m_count from m_0, of which `reached` states from `first` on are in reach; entries from x on, `apart` bytes to the next. */
function advance(
  m: usize, x: usize, apart: isize, count: u32, first: u32, reached: u32, bits: u32, plane: usize, table: usize,
): void {
  const states = <u32>(plane >> 2);
  for (; count > 0; --count) {
    const next = m + plane, all = v128.load32_splat(x);
    if (reached < states) {
      reached <<= bits;
      first <<= bits;
      stepInto(next, m, table, all, plane, bits, first, reached);
      first &= states - 1;
    } else if (plane < 64) stepFew(next, m, table, all, plane, bits);
    else if (bits == 1) stepOne(next, m, table, all, plane);
    else if (bits == 2) stepMany(next, m, table, all, plane, 2);
    else if (bits == 3) stepMany(next, m, table, all, plane, 3);
    else stepMany(next, m, table, all, plane, bits);
    m = next;
    x += apart;
  }
}

/** From any state. */
function advanceFromAny(m: usize, x: usize, apart: isize, count: u32, bits: u32, plane: usize, table: usize): void {
  fill(m, <u32>(plane >> 2), 0);
  advance(m, x, apart, count, 0, <u32>(plane >> 2), bits, plane, table);
}

/** From state s alone. */
function advanceFrom(m: usize, s: u32, x: usize, apart: isize, count: u32, bits: u32, plane: usize, table: usize): void {
  fill(m, <u32>(plane >> 2), Infinity);
  store<f32>(m + (<usize>s << 2), 0);
  advance(m, x, apart, count, s, 1, bits, plane, table);
}

/** The place of the least of count f32, a multiple of 4; the first of equal ones. */
function leastOf(m: usize, count: u32): u32 {
  const end = m + (<usize>count << 2);
  let least = f32x4.splat(Infinity);
  for (let at = m; at < end; at += 16) least = f32x4.pmin(least, v128.load(at));
  least = f32x4.pmin(least, i8x16.shuffle(least, least, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  least = f32x4.pmin(least, i8x16.shuffle(least, least, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  for (let at = m; at < end; at += 16) {
    const equal = i32x4.bitmask(f32x4.eq(v128.load(at), least));
    if (equal) return (<u32>(at - m) >> 2) + ctz(equal);
  }
  return 0;
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

/** The state u read backwards. */
// @ts-ignore: decorator
@inline function turnedState(reversed: usize, u: u32, bits: u32): u32 {
  return <u32>load<u16>(reversed + (<usize>u << 1)) >> bits;
}

/** reversed: every window with its bits in reversed order, u16; turned: the table in that order. */
function turn(turned: usize, reversed: usize, table: usize, windowBits: u32): void {
  store<u16>(reversed, 0);
  for (let w: u32 = 0; w < 1 << windowBits; ++w) {
    const r = (load<u16>(reversed + (<usize>(w >> 1) << 1)) >> 1) | ((w & 1) << (windowBits - 1));
    store<u16>(reversed + (<usize>w << 1), <u16>r);
    store<f32>(turned + (<usize>w << 2), load<f32>(table + (<usize>r << 2)));
  }
}

/** What two halves err that meet at u, first <= u < first + count: sums (2^S f32). */
function meet(sums: usize, forth: usize, back: usize, reversed: usize, first: u32, count: u32, bits: u32): void {
  for (let u = first; u < first + count; ++u) {
    const at = <usize>u << 2;
    store<f32>(sums + at, load<f32>(forth + at) + load<f32>(back + (<usize>turnedState(reversed, u, bits) << 2)));
  }
}

/** Leaves the bounds of states that a row of `period` bits, fewer than a state has, can be at. */
function keepPeriodic(bounds: usize, states: u32, period: u32, stateBits: u32): void {
  const rest = (1 << (stateBits - period)) - 1;
  for (let u: u32 = 0; u < states; ++u) if (u >> period != (u & rest)) store<f32>(bounds + (<usize>u << 2), Infinity);
}

/** Windows that a circle of n entries takes; where halves meet a state counts for four. */
function windowsAround(n: u32, bits: u32, windowBits: u32): i64 {
  const all: i64 = 1 << windowBits;
  let sum: i64 = 4 << (windowBits - bits), reached: i64 = 1;
  for (let k = n >> 1; k > 0; --k) {
    reached = min(all, reached << bits);
    sum += 2 * reached;
  }
  return sum;
}

/** Codes of `count` entries from i on, i += step, on the way back from state u of the last of the m; adds to sums. With `reversed` m and
 *  table are those of a half backwards. The state that the way ends at. */
function trace(
  codes: usize, sums: usize, X: usize, i: u32, step: i32, count: u32, u: u32, m: usize, bits: u32, plane: usize, table: usize, reversed: usize,
): u32 {
  const last: u32 = (1 << bits) - 1;
  let error = load<f64>(sums), along = load<f64>(sums, 8), square = load<f64>(sums, 16);
  for (; count > 0; --count) {
    m -= plane;
    const x = load<f32>(X + (<usize>i << 2));
    const w = windowInto(m, table, x, u, bits, plane);
    const y = <f64>load<f32>(table + (<usize>w << 2)), r = <f64>x - y;
    error += r * r;
    along += <f64>x * y;
    square += y * y;
    putCode(codes, i, bits, (reversed ? <u32>load<u16>(reversed + (<usize>w << 1)) : w) & last);
    u = w >> bits;
    i += step;
  }
  store<f64>(sums, error);
  store<f64>(sums, along, 8);
  store<f64>(sums, square, 16);
  return u;
}

function clear(codes: usize, rowBytes: usize, sums: usize): void {
  memory.fill(codes, 0, rowBytes);
  memory.fill(sums, 0, 24);
}

/** Codes of each of `rows` rows, and its sums. */
export function trellisEncode(
  codes: usize, sums: usize, X: usize, rows: u32, n: u32, stride: u32, bits: u32, windowBits: u32, table: usize, work: usize,
): void {
  const plane: usize = 4 << (windowBits - bits), states = <u32>(plane >> 2), rowBytes = (<usize>n * bits) >> 3;
  const middle = n >> 1;
  const forth = work, met = forth + <usize>middle * plane, back = met + plane, backMet = back + <usize>middle * plane;
  const bounds = backMet + plane, errors = bounds + plane, turned = errors + plane, reversed = turned + (4 << windowBits);
  // Forwards half a row leads from s to s << middleBits and those after it.
  const middleBits = min(middle * bits, windowBits - bits), reached: u32 = 1 << middleBits;
  const short = n * bits < windowBits - bits;
  const around = windowsAround(n, bits, windowBits), all: i64 = (240 - <i64>n) << windowBits;
  const span = n < 96 ? <u32>min<i64>(middle, (all - around) >> (windowBits + 1)) : min(n >> 2, LONGEST), reach = <usize>span * plane;
  const tries = short ? states : <u32>max<i64>(1, (all - (<i64>span << (windowBits + 1))) / around);
  turn(turned, reversed, table, windowBits);
  for (let row: u32 = 0; row < rows; ++row) {
    const end = X + (<usize>n << 2);
    let least: f32 = Infinity;
    let lone: u32 = states;
    if (n >= 96) {
      advanceFromAny(work, end - (<usize>span << 2), 4, span, bits, plane, table);
      memory.copy(work, work + reach, plane);
      advance(work, X, 4, n, 0, states, bits, plane, table);
      let u = leastOf(work + <usize>n * plane, states), again = AGAIN;
      do {
        lone = u;
        clear(codes, rowBytes, sums);
        u = trace(codes, sums, X, n - 1, -1, n, lone, work + <usize>n * plane, bits, plane, table, 0);
      } while (u != lone && again-- > 0);
      if (u == lone) { COUNT++;
        sums += 24; codes += rowBytes; X += <usize>stride << 2; continue; }
      fill(bounds, states, Infinity);
      store<f32>(bounds + (<usize>u << 2), 0);
    } else {
    advanceFromAny(forth, end - (<usize>span << 2), 4, span, bits, plane, table);
    advanceFromAny(back, X + (<usize>span << 2) - 4, -4, span, bits, plane, turned);
    meet(bounds, forth + reach, back + reach, reversed, 0, states, bits);
    if (short) keepPeriodic(bounds, states, n * bits, windowBits - bits);
    }
    for (let k: u32 = 0; k < tries; ++k) {
      const s = leastOf(bounds, states), place = bounds + (<usize>s << 2);
      if (k > 0 && !(load<f32>(place) < least)) break;
      store<f32>(place, Infinity);
      advanceFrom(forth, s, X, 4, middle, bits, plane, table);
      advanceFrom(back, turnedState(reversed, s, bits), end - 4, -4, middle, bits, plane, turned);
      const first = (s << middleBits) & (states - 1);
      meet(errors, met, backMet, reversed, first, reached, bits);
      const u = first + leastOf(errors + (<usize>first << 2), reached), error = load<f32>(errors + (<usize>u << 2));
      if (k > 0 && !(error < least)) continue;
      least = error;
      clear(codes, rowBytes, sums);
      trace(codes, sums, X, middle - 1, -1, middle, u, met, bits, plane, table, 0);
      trace(codes, sums, X, middle, 1, middle, turnedState(reversed, u, bits), backMet, bits, plane, turned, reversed);
    }
    sums += 24;
    codes += rowBytes;
    X += <usize>stride << 2;
  }
}
let LONGEST: u32 = 64, AGAIN: u32 = 1, COUNT: u32 = 0;
export function trellisSet(a: u32, b: u32): u32 { LONGEST = a; AGAIN = b; const c = COUNT; COUNT = 0; return c; }

/** out (rows x n f32) = table[window] times the row's scale, in f32; `scales` are rows f32, or 0 for none. */
export function trellisDecode(out: usize, codes: usize, rows: u32, n: u32, bits: u32, windowBits: u32, table: usize, scales: usize): void {
  const mask: u32 = (1 << windowBits) - 1, last: u32 = (1 << bits) - 1, rowBytes = (n * bits) >> 3;
  for (let row: u32 = 0; row < rows; ++row) {
    const scale: f32 = scales ? load<f32>(scales + (<usize>row << 2)) : 1;
    // 16 bits before the row.
    let window = <u32>load<u8>(codes + rowBytes - 1), read: u32 = 0, held: u32 = 0;
    window |= <u32>load<u8>(codes + (rowBytes > 1 ? rowBytes - 2 : 0)) << 8;
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
