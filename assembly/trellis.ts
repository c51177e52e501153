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
// Paths    m_i[u] is the least error of paths over i entries to state u:
//              m_(i+1)[u] = min over t of m_i[w >> bits] + (x - table[w])^2,    w = t 2^S + u
//          in whole units: entries and values are rounded to a grid, fine enough that the squared error is 0.1 to 0.3 % above that of
//          exact sums, so that 16 bits hold an error. Additions saturate; before they would, the least is taken off all of a step.
//          All m_i are kept, and nothing else: on the way back the t that gave a minimum is found by computing it again. Of equal sums the
//          first u, and from there every t, is the lowest.
// Grid     `unitsOf` for each number of bits, fewer for larger tables. Past `toldApart` units differences are not told apart for sure: a row
//          with an entry so far from its value is encoded again on a grid half as fine. Entries count as if they were at most 64 units
//          past the last value.
// Circle   through s between entries n - 1 and 0: halves of n / 2 entries from s, one forwards, one backwards, that meet on the other side.
//          The least circle through s is found so, but not which s.
// Short    rows: halves from anywhere that meet at s bound from below what a circle through s errs. Circles by rising bound, until
//          `effort` is spent or a bound is above the least error found. A row of S bits or fewer is at an s of its period: all are tried.
// Long     rows: once around, from anywhere `early` entries before the row. The way back from the best end begins at some s; the way back
//          from s nearly always begins there too, and closes. Where it does not, nor from where that begins, a circle through the last one
//          (Shao, Lin, Fossorier, Two decoding algorithms for tailbiting codes, 2003)
// Cost     as trellis-steps.ts has it for n + early entries, n more where the way does not close (one row in three at 1 bit and n = 96, one
//          in twenty at n = 384); up to effort - n entries in rows of less than `long`, of 8 and 16 entries at 1 to 3 bits three times that

import { advance, startAnywhere, startAt, strideOf } from "./trellis-steps";
import { cellUnits, leastOf, leastState, meet, reverseAll, toldApart, trace, turnedState } from "./trellis-paths";

/** Entries of a long row, at least. */
const long: u32 = 80;

/** Entries before a long row, at most: a quarter of it where that is less. */
const early: u32 = 64;

/** Entries that a short row costs, and its own number less. */
const effort: u32 = 240;

/** Units of 1, where the root mean square of entries is: the finer the grid, the fewer entries lie near enough to their values. */
function unitsOf(bits: u32): f32 {
  return bits < 3 ? <f32>(16 << bits) : bits == 3 ? 96 : bits == 4 ? 160 : bits == 5 ? 256 : bits == 6 ? 448 : bits == 7 ? 768 : 1280;
}

/** The last value where the grid is as `unitsOf` has it, at most. */
const mostValue: f32 = 5;

/** Units past the last value that entries count as, at most. */
const pastLast: f32 = 64;

// Places in `work`, which is prepared for one table:
//   0  units of 1 now     4  the last value     8  units of 1 on the finest grid     16  entries, cells, cells of the table turned, the
//   windows backwards, bounds, errors, m of two halves
const heading: usize = 16;

/** Cells, at most. */
function cellsOf(bits: u32): u32 {
  return 2 * <u32>(mostValue * unitsOf(bits) + pastLast) / cellUnits + 2;
}

// @ts-ignore: decorator
@inline function entriesBytes(n: u32): usize {
  return ((<usize>n << 2) + 15) & ~15;
}

function cellsBytes(bits: u32, windowBits: u32): usize {
  return (<usize>cellsOf(bits) << 1) << windowBits;
}

/** Bytes of `work` for rows of n entries. */
export function trellisWorkBytes(n: u32, bits: u32, windowBits: u32): f64 {
  const states: usize = 1 << (windowBits - bits), planes = <f64>(n + 2) * <f64>strideOf(states << 1);
  const tables = 2 * <f64>cellsBytes(bits, windowBits) + <f64>(2 << windowBits);
  return planes + tables + <f64>(heading + entriesBytes(n) + (states << 3)) + 32;
}

/** The tables of all cells, from that of the first one, which is not moved yet. */
function moveToCells(cells: usize, most: i32, size: usize): void {
  const count = (2 * most) / cellUnits;
  for (let cell = count; cell >= 0; --cell) {
    const from = cell * cellUnits - most, to = cells + <usize>cell * size;
    const low = i16x8.splat(<i16>(from - toldApart)), high = i16x8.splat(<i16>(from + cellUnits - 1 + toldApart));
    for (let at: usize = 0; at < size; at += 16) {
      v128.store(to + at, i16x8.max_s(low, i16x8.min_s(high, v128.load(cells + at))));
    }
  }
}

/** Units past which no entry counts. */
// @ts-ignore: decorator
@inline function mostOf(work: usize): i32 {
  return <i32>(load<f32>(work, 4) * load<f32>(work) + pastLast);
}

/** The tables on a grid of `scale` units to 1. */
function setGrid(work: usize, scale: f32, n: u32, bits: u32, windowBits: u32, table: usize): void {
  const size: usize = 2 << windowBits, cells = work + heading + entriesBytes(n), turned = cells + cellsBytes(bits, windowBits);
  const reversed = turned + cellsBytes(bits, windowBits);
  store<f32>(work, scale);
  for (let w: usize = 0; w < size; w += 2) {
    const y = <i16>nearest<f32>(load<f32>(table + (w << 1)) * scale);
    store<i16>(cells + w, y);
    store<i16>(turned + (<usize>load<u16>(reversed + w) << 1), y);
  }
  // Of 8 windows at least.
  moveToCells(cells, mostOf(work), size);
  moveToCells(turned, mostOf(work), size);
}

/** Makes `work` ready for rows of n entries in codes of this table. */
export function trellisPrepare(work: usize, n: u32, bits: u32, windowBits: u32, table: usize): void {
  work = (work + 15) & ~15;
  let largest: f32 = 0;
  for (let w: u32 = 0; w < 1 << windowBits; ++w) largest = max(largest, abs(load<f32>(table + (<usize>w << 2))));
  store<f32>(work, largest, 4);
  reverseAll(work + heading + entriesBytes(n) + 2 * cellsBytes(bits, windowBits), windowBits);
  const finest = unitsOf(bits) * min<f32>(1, mostValue / largest);
  store<f32>(work, finest, 8);
  setGrid(work, finest, n, bits, windowBits, table);
}

function setEntries(x: usize, X: usize, n: u32, work: usize): void {
  const scale = load<f32>(work), most = mostOf(work);
  for (let i: u32 = 0; i < n; ++i) {
    const entry = <i32>nearest<f32>(max<f32>(<f32>-most, min<f32>(<f32>most, load<f32>(X + (<usize>i << 2)) * scale)));
    store<i16>(x + (<usize>i << 2), <i16>entry);
    store<u16>(x + (<usize>i << 2), <u16>((entry + most) / cellUnits), 2);
  }
}

/** The sum of what is out of reach. */
const none: u32 = -1;

/** Leaves the bounds of states that a row of `period` bits, no more than a state has, can be at: no circle goes through others. */
function keepPeriodic(bounds: usize, states: u32, period: u32, stateBits: u32): void {
  const rest = (1 << (stateBits - period)) - 1;
  for (let u: u32 = 0; u < states; ++u) if (u >> period != (u & rest)) store<u32>(bounds + (<usize>u << 2), none);
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

/** No state: the way has closed; and that it leads past what is told apart, by a flag. */
const closed: u32 = 0xffff;
const isFar: u32 = 0x10000;

/** Once around: `closed`, or a state that a circle may go through, and `isFar`. */
function goAround(
  codes: usize, sums: usize, X: usize, n: u32, bits: u32, plane: usize, table: usize, x: usize, cells: usize, m: usize,
): u32 {
  const before = min(n >> 2, early), end = m + <usize>n * strideOf(plane), states = <u32>(plane >> 1);
  startAnywhere(m, plane);
  advance(m, x + (<usize>(n - before) << 2), 4, before, 0, states, bits, plane, cells);
  memory.copy(m, m + <usize>before * strideOf(plane), strideOf(plane));
  advance(m, x, 4, n, 0, states, bits, plane, cells);
  let s = leastState(end, states);
  for (let way = 0; way < 4; ++way) {
    const u = s;
    clear(codes, (<usize>n * bits) >> 3, sums);
    const found = trace(codes, sums, X, n - 1, -1, n, u, end, bits, plane, table, x, cells, 0);
    s = found & 0xffff;
    if (s == u) return closed | (found & isFar);
  }
  return s;
}

/** Codes of a row whose entries are at x in units, and its sums; false where the grid is too fine for it. */
function encodeRow(
  codes: usize, sums: usize, X: usize, n: u32, bits: u32, windowBits: u32, tries: u32, table: usize, work: usize,
): bool {
  const stateBits = windowBits - bits, states: u32 = 1 << stateBits, plane: usize = 2 << stateBits, stride = strideOf(plane);
  const x = work + heading, cells = x + entriesBytes(n), turned = cells + cellsBytes(bits, windowBits);
  const reversed = turned + cellsBytes(bits, windowBits), bounds = reversed + (<usize>2 << windowBits), errors = bounds + (plane << 1);
  const middle = n >> 1, half = <usize>middle * stride, forth = (errors + (plane << 1) + 15) & ~15, met = forth + half;
  const back = met + stride, backMet = back + half, rowBytes = (<usize>n * bits) >> 3;
  // Half a row leads from s to s << middleBits and those after it.
  const middleBits = min(middle * bits, stateBits), reached: u32 = 1 << middleBits;
  const behind = x + (<usize>middle << 2);
  if (n >= long) {
    const s = goAround(codes, sums, X, n, bits, plane, table, x, cells, forth);
    if ((s & closed) == closed) return (s & isFar) == 0;
    for (let u: u32 = 0; u < states; ++u) store<u32>(bounds + (<usize>u << 2), none);
    store<u32>(bounds + (<usize>s << 2), 0);
  } else {
    startAnywhere(forth, plane);
    startAnywhere(back, plane);
    const one = advance(forth, behind, 4, middle, 0, states, bits, plane, cells);
    const other = advance(back, behind - 4, -4, middle, 0, states, bits, plane, turned);
    meet(bounds, met, backMet, reversed, 0, states, bits, one + other);
    if (n * bits <= stateBits) keepPeriodic(bounds, states, n * bits, stateBits);
  }
  let least = none, far: u32 = 0;
  for (let k: u32 = 0; k < tries; ++k) {
    const s = leastOf(bounds, states), place = bounds + (<usize>s << 2);
    if (k > 0 && load<u32>(place) >= least) break;
    store<u32>(place, none);
    startAt(forth, plane, s);
    startAt(back, plane, turnedState(reversed, s, bits));
    const one = advance(forth, x, 4, middle, s, 1, bits, plane, cells);
    const other = advance(back, x + (<usize>(n - 1) << 2), -4, middle, turnedState(reversed, s, bits), 1, bits, plane, turned);
    const first = (s << middleBits) & (states - 1);
    meet(errors, met, backMet, reversed, first, reached, bits, one + other);
    const u = first + leastOf(errors + (<usize>first << 2), reached), error = load<u32>(errors + (<usize>u << 2));
    if (error >= least) continue;
    least = error;
    clear(codes, rowBytes, sums);
    far = trace(codes, sums, X, middle - 1, -1, middle, u, met, bits, plane, table, x, cells, 0);
    far |= trace(
      codes, sums, X, middle, 1, middle, turnedState(reversed, u, bits), backMet, bits, plane, table, x, turned, reversed,
    );
  }
  return least != none && (far & isFar) == 0;
}

/** Codes of each of `rows` rows, and its sums; `work` is prepared. */
export function trellisEncode(
  codes: usize, sums: usize, X: usize, rows: u32, n: u32, stride: u32, bits: u32, windowBits: u32, table: usize, work: usize,
): void {
  work = (work + 15) & ~15;
  let tries: u32 = 1;
  if (n * bits <= windowBits - bits) tries = 1 << (windowBits - bits);
  else if (n < long) tries = <u32>((<i64>(effort - 2 * n) << windowBits) / windowsAround(n, bits, windowBits));
  for (let row: u32 = 0; row < rows; ++row, codes += (<usize>n * bits) >> 3, sums += 24, X += <usize>stride << 2) {
    for (let scale = load<f32>(work, 8); ; scale *= 0.5) {
      if (load<f32>(work) != scale) setGrid(work, scale, n, bits, windowBits, table);
      setEntries(work + heading, X, n, work);
      if (encodeRow(codes, sums, X, n, bits, windowBits, tries, table, work)) break;
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
