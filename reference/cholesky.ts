// Cholesky factor, A = L L' (Golub, Van Loan, Matrix Computations, 4th ed., algorithm 4.2.1), and triangular solves.
//
// Shapes   A d x d symmetric positive definite; L d x d lower triangular
// Cost     d^3 / 6 multiply-adds
import { type Dense, zeros } from "./matrix.js";

/** @throws RangeError that names the failing pivot. */
export function cholesky(a: Dense): Dense {
  const d = a.cols;
  const l = zeros(d, d);
  for (let j = 0; j < d; ++j) {
    for (let i = j; i < d; ++i) {
      let sum = a.data[i * d + j];
      for (let k = 0; k < j; ++k) sum -= l.data[i * d + k] * l.data[j * d + k];
      if (i > j) {
        l.data[i * d + j] = sum / l.data[j * d + j];
      } else if (sum > 0) {
        l.data[j * d + j] = Math.sqrt(sum);
      } else {
        throw new RangeError(`cholesky: pivot ${j} is ${sum}, not above 0`);
      }
    }
  }
  return l;
}

/** B L^-T, row by row: solves L y = b for each row b of B. */
export function solveRows(l: Dense, b: Dense): Dense {
  const d = l.cols;
  const y = { ...b, data: b.data.slice() };
  for (let i = 0; i < b.rows; ++i) {
    for (let j = 0; j < d; ++j) {
      let sum = y.data[i * d + j];
      for (let k = 0; k < j; ++k) sum -= l.data[j * d + k] * y.data[i * d + k];
      y.data[i * d + j] = sum / l.data[j * d + j];
    }
  }
  return y;
}
