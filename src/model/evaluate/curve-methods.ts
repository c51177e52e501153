/** Factors in the layer's own type, by method; "auto", whatever loses least; or codes, and factors or tables in few bits. */
export const curveMethods = [
  ...(["svd", "lewis", "subspace", "clusters", "level-set", "entrywise"] as const),
  ...(["auto", "transform", "int8", "int4", "int3", "int2"] as const),
];
export type CurveMethod = (typeof curveMethods)[number];
