// Small orthonormal bases in JavaScript, by + - * / and sqrt alone: the same bits in every engine.

/**
 * left right stays what it is, and right (k x d, k <= d) gets orthonormal rows: modified Gram-Schmidt, twice (Bjoerck 1967).
 * A row that depends on those above becomes any direction they leave, with a zero column in left (n x k). In place.
 */
export function orthonormalise(left: Float64Array, right: Float64Array, n: number, k: number, d: number): void {
  // right = T Q, T lower triangular.
  const T = new Float64Array(k * k);
  for (let a = 0; a < k; ++a) {
    const row = right.subarray(a * d, (a + 1) * d);
    const size = norm(row);
    const remove = (keep: boolean) => {
      for (let b = 0; b < a; ++b) {
        const q = right.subarray(b * d, (b + 1) * d);
        let dot = 0;
        for (let j = 0; j < d; ++j) dot += row[j] * q[j];
        for (let j = 0; j < d; ++j) row[j] -= dot * q[j];
        if (keep) T[a * k + b] += dot;
      }
    };
    remove(true);
    remove(true);
    let rest = norm(row);
    if (rest > 1e-14 * size) T[a * k + a] = rest;
    else {
      for (let axis = 0; axis < d; ++axis) {
        row.fill(0);
        row[axis] = 1;
        remove(false);
        remove(false);
        rest = norm(row);
        // Of d axes, one at least leaves this much of itself.
        if (rest * rest * d >= 0.5 * (d - a)) break;
      }
    }
    for (let j = 0; j < d; ++j) row[j] /= rest;
  }
  const flip = orient(right, d);
  const old = new Float64Array(k);
  for (let i = 0; i < n; ++i) {
    const row = left.subarray(i * k, (i + 1) * k);
    old.set(row);
    for (let b = 0; b < k; ++b) {
      let sum = 0;
      for (let a = b; a < k; ++a) sum += old[a] * T[a * k + b];
      row[b] = flip[b] * sum;
    }
  }
}

/** Each row's largest entry (the first of equals) becomes positive, in place; gives the signs. */
export function orient(rows: Float64Array, d: number): Float64Array {
  const signs = new Float64Array(rows.length / d).fill(1);
  for (let a = 0; a < signs.length; ++a) {
    const row = rows.subarray(a * d, (a + 1) * d);
    let at = 0;
    for (let j = 1; j < d; ++j) if (Math.abs(row[j]) > Math.abs(row[at])) at = j;
    if (row[at] >= 0) continue;
    signs[a] = -1;
    for (let j = 0; j < d; ++j) row[j] = -row[j];
  }
  return signs;
}

function norm(x: Float64Array): number {
  let sum = 0;
  for (const v of x) sum += v * v;
  return Math.sqrt(sum);
}
