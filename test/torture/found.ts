// Inputs that were answered wrongly once, and why.
import type { Input } from "./run.js";

const plain = { dtype: "f64", weights: "none" } as const;

export const found: Input[] = [
  // A Gram matrix sees no singular value below 1e-8 of the largest, and what it saw, 0, was certified.
  { ...plain, primitive: "lowRank, svd", p: 2, matrix: "rank 1 and a trace of more" },
  { ...plain, primitive: "lowRank, lewis", p: 1.5, matrix: "rank 1 and a trace of more" },
  { ...plain, primitive: "certify, lewis", p: 2, matrix: "one row huge, f64 keeps it" },
  { ...plain, primitive: "lowRank, svd", p: 2, matrix: "Hilbert" },
  // Proved ratios from leverages that were rounding.
  { ...plain, primitive: "coreset", p: 1.25, matrix: "Hilbert" },
  // The transform of a huge column vanished in f32, and with it the row that is all of that column.
  { primitive: "lowRank, lewis", p: 1, matrix: "1e-38 to 1e38", dtype: "f32", weights: "1e-12 to 1e12" },
  { primitive: "certify, lewis", p: 1, matrix: "1e-38 to 1e38", dtype: "f32", weights: "1e-12 to 1e12" },
  // Row scales past f32 times zeros.
  { primitive: "lowRank, lewis", p: 1, matrix: "a row of denormal f32 beside 1e37", dtype: "f32", weights: "none" },
  { primitive: "lowRank, lewis", p: 1, matrix: "rows from 1e-36 to 1e36", dtype: "f32", weights: "1e-12 to 1e12" },
  // The rounding of denormal f32 was neither in the objective nor in the certificate.
  { primitive: "lowRank, svd", p: 1, matrix: "all denormal f32", dtype: "f32", weights: "none" },
  { primitive: "lowRank, entrywise", p: 1, matrix: "all denormal f32", dtype: "f32", weights: "all 0 but one" },
  { primitive: "entrywiseLowRank, splitting", p: 1, matrix: "all denormal f32", dtype: "f32", weights: "none" },
  // Infinite left factors and objectives.
  { primitive: "lowRank, lewis", p: 1, matrix: "all equal, huge", dtype: "f32", weights: "none" },
  { ...plain, primitive: "lowRank, svd", p: 3, matrix: "all near 1e160" },
  { ...plain, primitive: "robustSubspace", p: 2, matrix: "all near 1e300" },
  { ...plain, primitive: "robustSubspace", p: 1.25, matrix: "columns from 1e-300 to 1e300" },
  // An infinite Gram matrix.
  { ...plain, primitive: "lewisWeights", p: 1, matrix: "all near 1e160" },
  { ...plain, primitive: "lewisWeights", p: Infinity, matrix: "all near 1e300" },
  // Infinite and NaN scores.
  { ...plain, primitive: "leverageScores", p: 2, matrix: "all denormal f64" },
  { ...plain, primitive: "leverageScores", p: 2, matrix: "a column of denormal f64" },
  { ...plain, primitive: "johnEllipsoid", p: Infinity, matrix: "a column of denormal f64" },
  // Scores above 1.
  { ...plain, primitive: "leverageScores", p: 2, matrix: "rows from 1e-36 to 1e36" },
  // Climbs from rows that count for nothing ended in NaN, and the search in a false error.
  { ...plain, primitive: "levelSetEllipsoid", p: 1, matrix: "one row huge" },
  { ...plain, primitive: "levelSetEllipsoid", p: 1, matrix: "1e-38 to 1e38" },
  { ...plain, primitive: "levelSetEllipsoid", p: 1, matrix: "a row of denormal f32" },
  // More rows than were asked for: their shares of what the first ones left overflowed.
  { ...plain, primitive: "coreset", p: 3, matrix: "tall Hilbert", weights: "1e-250 to 1" },
  { ...plain, primitive: "coreset", p: 1, matrix: "one column tiny", weights: "1e-250 to 1" },
  // Row weights out of the range of sums.
  { ...plain, primitive: "lowRank, lewis", p: 1, matrix: "plain", weights: "1e300" },
  { ...plain, primitive: "lowRank, auto lp", p: 1, matrix: "plain", weights: "1e-300" },
  { ...plain, primitive: "levelSetEllipsoid", p: 3, matrix: "plain", weights: "1e300" },
];
