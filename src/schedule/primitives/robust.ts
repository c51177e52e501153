// Fits that go on from an ellipsoid's.
import { checkEntrywise, entrywiseLowRank } from "../../geometry/entrywise/entrywise.js";
import { checkSubspace, robustSubspace } from "../../geometry/subspace/subspace.js";
import { needsOfEllipsoid, needsOfEntrywise } from "../memory-needs.js";
import * as back from "../restore.js";
import { primitive } from "./primitive.js";

export const primitives = {
  robustSubspace: primitive({
    run: robustSubspace,
    check: checkSubspace,
    needs: needsOfEllipsoid,
    sweeps: 100,
    restore: back.subspace,
    scalesRows: true,
  }),
  entrywiseLowRank: primitive({
    run: entrywiseLowRank,
    check: checkEntrywise,
    needs: needsOfEntrywise,
    sweeps: 300,
    restore: back.entrywise,
    scalesRows: true,
  }),
};
