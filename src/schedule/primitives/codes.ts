// Matrices in few bits.
import { checkQuantise, quantise } from "../../geometry/codes/quantise.js";
import { checkTransformCode, transformCode } from "../../geometry/codes/transform-code.js";
import { checkTrellisCode, trellisCode } from "../../geometry/codes/trellis-code.js";
import { needsOfTransformCode, needsOfTrellisCode } from "../memory-needs.js";
import * as back from "../restore.js";
import { primitive } from "./primitive.js";

export const primitives = {
  quantise: primitive({ run: quantise, check: checkQuantise, sweeps: 3, restore: back.coded }),
  transformCode: primitive({
    run: transformCode,
    check: checkTransformCode,
    needs: needsOfTransformCode,
    sweeps: 10,
    restore: back.coded,
  }),
  trellisCode: primitive({
    run: trellisCode,
    check: checkTrellisCode,
    needs: needsOfTrellisCode,
    sweeps: 10,
    restore: back.coded,
  }),
};
