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
// Paths    m_i[u] is the least squared error of paths over i entries to state u:
//              m_(i+1)[u] = min over t of m_i[w >> bits] + (x - table[w])^2,    w = t 2^S + u
//          All m_i are kept, in f32, and nothing else: on the way back the t that gave a minimum is found by computing it again. Of equal
//          sums the first u, and from there every t, is the lowest.
// Circle   through s between entries n - 1 and 0: halves of n / 2 entries from s, one forwards, one backwards, that meet on the other side.
//          The least circle through s is found so, but not which s.
// Short    rows: halves from anywhere that meet at s bound from below what a circle through s errs. Circles by rising bound, until
//          `effort` is spent or a bound is above the least error found. A row of S bits or fewer is at an s of its period: all are tried.
// Long     rows: once around, from anywhere `early` entries before the row. The way back from the best end begins at some s; the way back
//          from s nearly always begins there too, and closes. Where it does not, nor from where that begins, a circle through the last one
//          (Shao, Lin, Fossorier, Two decoding algorithms for tailbiting codes, 2003)
// Cost     2^L of (subtract, multiply, add, minimum) an entry, 4 at once, for n + early entries, n more where the way does not close (one
//          row in three at 1 bit and n = 96, one in twenty at n = 384); up to effort - n entries in rows of less than `long`, of 8 and 16
//          entries at 1 to 3 bits three times that

import { advance, fill } from "./trellis-steps";
import { leastOf, meet, trace, turn, turnedState } from "./trellis-paths";

/** Entries of a long row, at least. */
const long: u32 = 80;

/** Entries before a long row, at most: a quarter of it where that is less. */
const early: u32 = 64;

/** Entries that a short row costs, and its own number less. */
const effort: u32 = 240;

/** Bytes of `work` for rows of n entries: m of two halves, bounds, errors, the table and the windows backwards. */
export function trellisWorkBytes(n: u32, bits: u32, windowBits: u32): f64 {
  return (<f64>n + 4) * <f64>(4 << (windowBits - bits)) + <f64>(6 << windowBits);
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

/** Leaves the bounds of states that a row of `period` bits, no more than a state has, can be at: no circle goes through others. */
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

function clear(codes: usize, rowBytes: usize, sums: usize): void {
  memory.fill(codes, 0, rowBytes);
  memory.fill(sums, 0, 24);
}

const closed: u32 = -1;

/** Once around: `closed`, or a state that a circle may go through. */
function goAround(codes: usize, sums: usize, X: usize, n: u32, bits: u32, plane: usize, table: usize, work: usize): u32 {
  const before = min(n >> 2, early), end = work + <usize>n * plane, states = <u32>(plane >> 2);
  advanceFromAny(work, X + (<usize>(n - before) << 2), 4, before, bits, plane, table);
  memory.copy(work, work + <usize>before * plane, plane);
  advance(work, X, 4, n, 0, states, bits, plane, table);
  let s = leastOf(end, states);
  for (let way = 0; way < 4; ++way) {
    const u = s;
    clear(codes, (<usize>n * bits) >> 3, sums);
    s = trace(codes, sums, X, n - 1, -1, n, u, end, bits, plane, table, 0);
    if (s == u) return closed;
  }
  return s;
}

/** Codes of each of `rows` rows, and its sums. */
export function trellisEncode(
  codes: usize, sums: usize, X: usize, rows: u32, n: u32, stride: u32, bits: u32, windowBits: u32, table: usize, work: usize,
): void {
  const stateBits = windowBits - bits, states: u32 = 1 << stateBits, plane: usize = 4 << stateBits, rowBytes = (<usize>n * bits) >> 3;
  const middle = n >> 1, half = <usize>middle * plane;
  const forth = work, met = forth + half, back = met + plane, backMet = back + half;
  const bounds = backMet + plane, errors = bounds + plane, turned = errors + plane, reversed = turned + (4 << windowBits);
  // Half a row leads from s to s << middleBits and those after it.
  const middleBits = min(middle * bits, stateBits), reached: u32 = 1 << middleBits;
  const isPeriodic = n * bits <= stateBits;
  let tries: u32 = 1;
  if (isPeriodic) tries = states;
  else if (n < long) tries = <u32>((<i64>(effort - 2 * n) << windowBits) / windowsAround(n, bits, windowBits));
  turn(turned, reversed, table, windowBits);
  for (let row: u32 = 0; row < rows; ++row, codes += rowBytes, sums += 24, X += <usize>stride << 2) {
    const end = X + (<usize>n << 2);
    if (n >= long) {
      const s = goAround(codes, sums, X, n, bits, plane, table, work);
      if (s == closed) continue;
      fill(bounds, states, Infinity);
      store<f32>(bounds + (<usize>s << 2), 0);
    } else {
      advanceFromAny(forth, X + (<usize>middle << 2), 4, middle, bits, plane, table);
      advanceFromAny(back, X + (<usize>middle << 2) - 4, -4, middle, bits, plane, turned);
      meet(bounds, met, backMet, reversed, 0, states, bits);
      if (isPeriodic) keepPeriodic(bounds, states, n * bits, stateBits);
    }
    let least: f32 = Infinity;
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
  }
}

/** out (rows x n f32) = table[window] times the row's scale, in f32; `scales` are rows f32, or 0 for none. */
export function trellisDecode(out: usize, codes: usize, rows: u32, n: u32, bits: u32, windowBits: u32, table: usize, scales: usize): void {
  const mask: u32 = (1 << windowBits) - 1, last: u32 = (1 << bits) - 1, rowBytes = (<usize>n * bits) >> 3;
  for (let row: u32 = 0; row < rows; ++row) {
    const scale: f32 = scales ? load<f32>(scales + (<usize>row << 2)) : 1;
    // The 16 bits before the row.
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
