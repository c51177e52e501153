// Steps of Viterbi's algorithm on the trellis of trellis.ts.
//
// Layout   m      2^(L - bits) f32 each, one behind another: least squared error of the paths to each state; Infinity out of reach
//          plane  4 * 2^(L - bits), the bytes of each
// Cost     2^L of (subtract, multiply, add, minimum) a step, 4 at once; less while few states are in reach

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

// One step, from m to next. Windows of equal t lie `plane` apart in the table, and their m `plane >> bits`. Sixteen u at a time: four
// minima in registers.

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
export function fill(m: usize, count: u32, x: f32): void {
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
export function advance(
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

