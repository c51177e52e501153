// Ellipsoids of points and of level sets.
import { checkMinVolume, johnEllipsoid, minVolumeEllipsoid } from "../../geometry/ellipsoid/min-volume.js";
import { checkLevelSet, levelSetEllipsoid } from "../../geometry/level-set/level-set.js";
import { needsOfEllipsoid } from "../memory-needs.js";
import * as back from "../restore.js";
import { primitive } from "./primitive.js";

export const primitives = {
  minVolumeEllipsoid: primitive({
    run: minVolumeEllipsoid,
    check: checkMinVolume,
    sweeps: 100,
    restore: back.minVolume,
    scalesRows: true,
  }),
  johnEllipsoid: primitive({
    run: johnEllipsoid,
    check: checkMinVolume,
    sweeps: 100,
    restore: back.john,
    scalesRows: true,
  }),
  levelSetEllipsoid: primitive({
    run: levelSetEllipsoid,
    check: checkLevelSet,
    needs: needsOfEllipsoid,
    sweeps: 1000,
    restore: back.levelSet,
    scalesRows: true,
  }),
};
