// All methods at once, for a script that must be one file.
import * as codeOperations from "../engine/operations/codes.js";
import * as coresetOperations from "../engine/operations/coreset.js";
import * as entrywiseOperations from "../engine/operations/entrywise.js";
import * as levelSetOperations from "../engine/operations/level-set.js";
import { registerOperations } from "../engine/operations/index.js";
import * as subspaceOperations from "../engine/operations/subspace.js";
import * as clusters from "../geometry/subspace/clusters.js";
import * as codes from "./primitives/codes.js";
import * as coresets from "./primitives/coresets.js";
import * as ellipsoids from "./primitives/ellipsoids.js";
import { registerPrimitives } from "./primitives/index.js";
import * as lowRank from "./primitives/low-rank.js";
import * as robust from "./primitives/robust.js";

/** From here on nothing is loaded when it is asked for. */
export function registerEverything(): void {
  registerOperations({
    codes: codeOperations,
    coreset: coresetOperations,
    entrywise: entrywiseOperations,
    levelSet: levelSetOperations,
    subspace: subspaceOperations,
  });
  // Clusters, a method of low rank that is no primitive, come along.
  registerPrimitives({ lowRank, ellipsoids, codes, robust: { ...robust, ...clusters }, coresets });
}
