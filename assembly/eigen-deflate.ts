// Deflation: which eigenpairs of diag(d) are eigenpairs of diag(d) + rho z z' already, to working precision.
//
// Dongarra, Sorensen, A fully parallel algorithm for the symmetric eigenvalue problem, SIAM J. Sci. Stat. Comput. 8 (1987).
// A row with small z_i is one. Of two rows with nearly equal d_i, a rotation makes one.
//
// Layout   d, z   n f64 each; d ascending within 0 ... half - 1 and within half ... n - 1. Both change
//          order, kept, dropped   n u32 each, written: rows by d; those that take part in the update, k, and those that do
//                 not, n - k, both by ascending d
//          kinds  n bytes, written: which panels a row that takes part reaches into
// Memory   the caller owns all of it
// Cost     n steps, and a rotation of two rows of vectors for each pair of near equals
import { at } from "./lanes";
import { rotateRows } from "./eigen-rotations";

/** A row of vectors is zero outside the first half, nowhere, or outside the second half. */
export const FIRST: u8 = 0;
export const BOTH: u8 = 1;
export const SECOND: u8 = 2;

const EPSILON: f64 = reinterpret<f64>(<u64>(1023 - 53) << 52);

// @ts-ignore: decorator
@inline export function index(list: usize, i: u32): u32 {
  return load<u32>(list + (<usize>i << 2));
}

// @ts-ignore: decorator
@inline export function setIndex(list: usize, i: u32, value: u32): void {
  store<u32>(list + (<usize>i << 2), value);
}

/** Rows of vectors from `rows` on, in `panels` panels `stride` bytes apart. @returns k */
export function deflate(
  d: usize, z: usize, n: u32, half: u32, rho: f64, order: usize, kept: usize, dropped: usize, kinds: usize,
  rows: usize, panels: u32, stride: usize,
): u32 {
  let largestD: f64 = 0, largestZ: f64 = 0;
  for (let i: u32 = 0; i < n; ++i) {
    largestD = max<f64>(largestD, abs<f64>(load<f64>(at(d, i))));
    largestZ = max<f64>(largestZ, abs<f64>(load<f64>(at(z, i))));
    store<u8>(kinds + i, i < half ? FIRST : SECOND);
  }
  const small = 8 * EPSILON * max<f64>(largestD, largestZ);
  mergeOrder(d, n, half, order);
  let k: u32 = 0, gone: u32 = 0;
  let last: i32 = -1;
  for (let i: u32 = 0; i < n; ++i) {
    const here = index(order, i);
    const zHere = load<f64>(at(z, here));
    if (rho * abs<f64>(zHere) <= small) {
      drop(d, dropped, gone++, here);
      continue;
    }
    if (last >= 0) {
      const zLast = load<f64>(at(z, last));
      const r = sqrt<f64>(zHere * zHere + zLast * zLast);
      const c = zHere / r, s = zLast / r;
      const dHere = load<f64>(at(d, here)), dLast = load<f64>(at(d, last));
      if (abs<f64>((dHere - dLast) * c * s) <= small) {
        store<f64>(at(z, here), r);
        store<f64>(at(d, here), dHere * c * c + dLast * s * s);
        store<f64>(at(d, last), dLast * c * c + dHere * s * s);
        rotateRows(rows, panels, stride, last, here, c, s);
        if (load<u8>(kinds + here) != load<u8>(kinds + last)) store<u8>(kinds + here, BOTH);
        drop(d, dropped, gone++, last);
      } else setIndex(kept, k++, last);
    }
    last = here;
  }
  if (last >= 0) setIndex(kept, k++, last);
  return k;
}

/** order = rows by ascending d, those of the first half before their equals of the second. */
function mergeOrder(d: usize, n: u32, half: u32, order: usize): void {
  let i: u32 = 0, j = half;
  for (let to: u32 = 0; to < n; ++to) {
    const first = j == n || (i < half && load<f64>(at(d, i)) <= load<f64>(at(d, j)));
    setIndex(order, to, first ? i++ : j++);
  }
}

/** Rotation moves d a little: `dropped` takes its place by insertion. */
function drop(d: usize, dropped: usize, count: u32, row: u32): void {
  const x = load<f64>(at(d, row));
  for (; count > 0; --count) {
    const before = index(dropped, count - 1);
    if (load<f64>(at(d, before)) <= x) break;
    setIndex(dropped, count, before);
  }
  setIndex(dropped, count, row);
}
