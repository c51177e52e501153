// Steps of Viterbi's algorithm on the trellis of trellis.ts.
//
// Layout   m       2^S u16 (S = L - bits): least errors of the paths to each state, `far` out of reach, and what was taken off them (u32,
//                  with 12 bytes to spare); one behind another, `strideOf` bytes apart
//          plane   2 * 2^S, the bytes of the errors alone
//          table   2^L i16; an entry and a value differ by whole units, more than 255 count for 255
// Cost     2^L of (subtract, absolute, minimum, multiply, add, minimum) a step, 8 at once; less while few states are in reach

/** Saturated: what is there is never the least. */
export const far: u32 = 0xffff;

// @ts-ignore: decorator
@inline export function strideOf(plane: usize): usize {
  return ((plane + 15) & ~15) + 16;
}

/** What was taken off the errors at m. */
// @ts-ignore: decorator
@inline export function takenOff(m: usize, plane: usize): u32 {
  return load<u32>(m + strideOf(plane) - 16);
}

// @ts-ignore: decorator
@inline function setTakenOff(m: usize, plane: usize, units: u32): void {
  store<u32>(m + strideOf(plane) - 16, units);
}

/** m + (x - y)^2 */
// @ts-ignore: decorator
@inline function through(x: v128, y: v128, m: v128): v128 {
  const r = i16x8.sub(x, y);
  return i16x8.add_sat_u(m, i16x8.mul(r, r));
}

// @ts-ignore: decorator
@inline function lowTwice(m: v128): v128 {
  return i8x16.shuffle(m, m, 0, 1, 0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7, 6, 7);
}

// @ts-ignore: decorator
@inline function highTwice(m: v128): v128 {
  return i8x16.shuffle(m, m, 8, 9, 8, 9, 10, 11, 10, 11, 12, 13, 12, 13, 14, 15, 14, 15);
}

// @ts-ignore: decorator
@inline function lowPairsTwice(m: v128): v128 {
  return i8x16.shuffle(m, m, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7);
}

// @ts-ignore: decorator
@inline function highPairsTwice(m: v128): v128 {
  return i8x16.shuffle(m, m, 8, 9, 10, 11, 8, 9, 10, 11, 12, 13, 14, 15, 12, 13, 14, 15);
}

// One step, from m to next. Windows of equal t lie `plane` apart in the table, and their m `plane >> bits`.

/** 1 bit, sixteen u at a time. */
// @ts-ignore: decorator
@inline function stepOne(next: usize, m: usize, table: usize, x: v128, plane: usize): void {
  for (let o: usize = 0; o < plane; o += 32) {
    const y = table + o, z = y + plane, p = m + (o >> 1), p0 = v128.load(p), q0 = v128.load(p + (plane >> 1));
    const a = through(x, v128.load(y), lowTwice(p0)), b = through(x, v128.load(z), lowTwice(q0));
    const c = through(x, v128.load(y, 16), highTwice(p0)), d = through(x, v128.load(z, 16), highTwice(q0));
    v128.store(next + o, i16x8.min_u(a, b));
    v128.store(next + o, i16x8.min_u(c, d), 16);
  }
}

/** Where the m of the window lies whose place in the table is `y`. */
// @ts-ignore: decorator
@inline function before(m: usize, y: usize, table: usize, bits: u32): usize {
  return m + (((y - table) >> bits) & ~1);
}

/** bits >= 2: windows in fours, or more, share their m. `shared`: bits, 5 for more; a constant leaves as many loads of m as there are. */
// @ts-ignore: decorator
@inline function stepMany(next: usize, m: usize, table: usize, x: v128, plane: usize, bits: u32, shared: u32): void {
  const end = plane << bits;
  for (let o: usize = 0; o < plane; o += 64) {
    let a = i16x8.splat(-1), b = a, c = a, d = a;
    for (let y = table + o, last = y + end; y != last; y += plane) {
      const p = before(m, y, table, bits);
      let m0: v128, m1: v128, m2: v128, m3: v128;
      if (shared == 2) {
        const all = v128.load(p), low = lowTwice(all), high = highTwice(all);
        m0 = lowPairsTwice(low);
        m1 = highPairsTwice(low);
        m2 = lowPairsTwice(high);
        m3 = highPairsTwice(high);
      } else {
        m0 = v128.load16_splat(p);
        m1 = shared == 3 ? v128.load16_splat(p, 2) : m0;
        m2 = shared == 3 ? v128.load16_splat(p, 4) : shared == 4 ? v128.load16_splat(p, 2) : m0;
        m3 = shared == 3 ? v128.load16_splat(p, 6) : m2;
      }
      a = i16x8.min_u(a, through(x, v128.load(y), m0));
      b = i16x8.min_u(b, through(x, v128.load(y, 16), m1));
      c = i16x8.min_u(c, through(x, v128.load(y, 32), m2));
      d = i16x8.min_u(d, through(x, v128.load(y, 48), m3));
    }
    v128.store(next + o, a);
    v128.store(next + o, b, 16);
    v128.store(next + o, c, 32);
    v128.store(next + o, d, 48);
  }
}

/** m of eight windows. */
// @ts-ignore: decorator
@inline function beforeEight(p: usize, bits: u32): v128 {
  if (bits == 1) return lowTwice(v128.load64_zero(p));
  return bits == 2 ? lowPairsTwice(lowTwice(v128.load32_zero(p))) : v128.load16_splat(p);
}

/** Fewer than 32 u: eight at a time, or four. */
function stepFew(next: usize, m: usize, table: usize, x: v128, plane: usize, bits: u32): void {
  const end = plane << bits, apart = max<usize>(16, plane);
  for (let o: usize = 0; o < plane; o += 16) {
    let a = i16x8.splat(-1);
    for (let y = table + o, last = table + o + end; y < last; y += apart)
      a = i16x8.min_u(a, through(x, v128.load(y), beforeEight(before(m, y, table, bits), bits)));
    // Four u: windows of two t were in one vector.
    if (plane == 8) v128.store64_lane(next, i16x8.min_u(a, i8x16.shuffle(a, a, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)), 0);
    else v128.store(next + o, a);
  }
}

/** A step to where `count` windows lead, the first one `from`; whatever else m leads to is out of reach. 8 states or more. */
function stepInto(next: usize, m: usize, table: usize, x: v128, plane: usize, bits: u32, from: u32, count: u32): void {
  memory.fill(next, 0xff, plane);
  // Of 2 or 4 windows with others at their side: those come from out of reach.
  from &= ~7;
  for (let y = table + (<usize>from << 1), end = y + (<usize>count << 1); y < end; y += 16) {
    const at = next + ((y - table) & (plane - 1));
    v128.store(at, i16x8.min_u(v128.load(at), through(x, v128.load(y), beforeEight(before(m, y, table, bits), bits))));
  }
}

/** Takes the least of the errors off all of them. */
function renormalise(m: usize, plane: usize): u32 {
  let least = plane == 8 ? v128.load64_splat(m) : v128.load(m);
  for (let o: usize = 16; o < plane; o += 16) least = i16x8.min_u(least, v128.load(m + o));
  least = i16x8.min_u(least, i8x16.shuffle(least, least, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  least = i16x8.min_u(least, i8x16.shuffle(least, least, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  least = i16x8.min_u(least, i8x16.shuffle(least, least, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
  if (plane == 8) v128.store64_lane(m, i16x8.sub(v128.load64_zero(m), least), 0);
  else for (let o: usize = 0; o < plane; o += 16) v128.store(m + o, i16x8.sub(v128.load(m + o), least));
  return i16x8.extract_lane_u(least, 0);
}

/** Before the first step: at s alone, or anywhere. */
export function startAt(m: usize, plane: usize, s: u32): void {
  memory.fill(m, 0xff, plane);
  store<u16>(m + (<usize>s << 1), 0);
  setTakenOff(m, plane, 0);
}

export function startAnywhere(m: usize, plane: usize): void {
  memory.fill(m, 0, plane);
  setTakenOff(m, plane, 0);
}

/**
 * m_1 ... m_count from m_0, of which `reached` states from `first` on are in reach; entries from x on, `apart` bytes to the next.
 * What was taken off all of them together.
 */
export function advance(
  m: usize, x: usize, apart: isize, count: u32, first: u32, reached: u32, bits: u32, plane: usize, cells: usize,
): u32 {
  const states = <u32>(plane >> 1), often: u32 = bits < 4 ? 16 >> bits : 1, stride = strideOf(plane);
  let sum: u32 = 0;
  for (let step: u32 = 1; step <= count; ++step) {
    const next = m + stride, table = cells + <usize>load<u16>(x, 2) * (plane << bits), all = v128.load16_splat(x), isWhole = reached >= states || states == 4;
    if (!isWhole) {
      reached <<= bits;
      first <<= bits;
      stepInto(next, m, table, all, plane, bits, first, reached);
      first &= states - 1;
    } else if (plane < 64) stepFew(next, m, table, all, plane, bits);
    else if (bits == 1) stepOne(next, m, table, all, plane);
    else if (bits == 2) stepMany(next, m, table, all, plane, 2, 2);
    else if (bits == 3) stepMany(next, m, table, all, plane, 3, 3);
    else if (bits == 4) stepMany(next, m, table, all, plane, 4, 4);
    else stepMany(next, m, table, all, plane, bits, 5);
    const least = isWhole && step % often == 0 ? renormalise(next, plane) : 0;
    setTakenOff(next, plane, least);
    sum += least;
    m = next;
    x += apart;
  }
  return sum;
}
