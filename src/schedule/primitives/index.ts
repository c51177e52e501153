// The primitives by name, in families that are loaded when one of them is first called.
import type { Primitive } from "./primitive.js";

const families = {
  lowRank: () => import("./low-rank.js"),
  ellipsoids: () => import("./ellipsoids.js"),
  codes: () => import("./codes.js"),
  robust: () => import("./robust.js"),
  coresets: () => import("./coresets.js"),
};

type In<Family extends keyof typeof families> = Awaited<ReturnType<(typeof families)[Family]>>["primitives"];
type Primitives = In<"lowRank"> & In<"ellipsoids"> & In<"codes"> & In<"robust"> & In<"coresets">;

export type PrimitiveName = keyof Primitives;
export type OptionsOf<Name extends PrimitiveName> = Parameters<Primitives[Name]["run"]>[2];
export type ResultOf<Name extends PrimitiveName> = Awaited<ReturnType<Primitives[Name]["run"]>>;

const familyOf: Readonly<Record<PrimitiveName, keyof typeof families>> = {
  leverageScores: "lowRank",
  lewisWeights: "lowRank",
  lowRank: "lowRank",
  singularValues: "lowRank",
  gram: "lowRank",
  residual: "lowRank",
  certify: "lowRank",
  multiply: "lowRank",
  minVolumeEllipsoid: "ellipsoids",
  johnEllipsoid: "ellipsoids",
  levelSetEllipsoid: "ellipsoids",
  quantise: "codes",
  transformCode: "codes",
  trellisCode: "codes",
  robustSubspace: "robust",
  entrywiseLowRank: "robust",
  sensitivities: "coresets",
  coreset: "coresets",
};

type Named = Primitive<Readonly<Record<string, unknown>>, unknown>;

const loaded = new Map<string, Named>();

/** Loads a primitive with its family, once. */
export async function loadPrimitive(name: string): Promise<Named> {
  const known = loaded.get(name);
  if (known) return known;
  const { primitives } = await families[familyOf[name as PrimitiveName]]();
  for (const [own, each] of Object.entries(primitives)) loaded.set(own, each as unknown as Named);
  return loaded.get(name)!;
}

/** One that is loaded. */
export const primitiveNamed = (name: string): Named => loaded.get(name)!;
