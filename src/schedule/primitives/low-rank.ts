// Low rank, what proves it, and what it is made of.
import { leverageScores } from "../../geometry/lewis/leverage.js";
import { checkLewis } from "../../geometry/lewis/check.js";
import { lewisWeights } from "../../geometry/lewis/weights.js";
import {
  checkMultiply,
  checkPairResidual,
  gram,
  multiply,
  pairResidual,
  singularValues,
} from "../../geometry/basis/pair.js";
import { checkLowRank, lowRank } from "../../low-rank.js";
import { certify, checkCertify } from "../../low-rank/certificate.js";
import { needsOfCertify, needsOfLowRank } from "../low-rank-needs.js";
import { needsOfLeverage, noNeeds } from "../memory-needs.js";
import * as back from "../restore.js";
import { primitive } from "./primitive.js";

export const primitives = {
  leverageScores: primitive({ run: leverageScores, needs: needsOfLeverage, sweeps: 2, scalesRows: true }),
  lewisWeights: primitive({
    run: lewisWeights,
    check: checkLewis,
    sweeps: 20,
    restore: back.lewisWeights,
    scalesRows: true,
  }),
  lowRank: primitive({
    run: lowRank,
    check: checkLowRank,
    needs: needsOfLowRank,
    sweeps: 10,
    restore: back.lowRank,
    scalesRows: true,
  }),
  singularValues: primitive({
    run: singularValues,
    needs: noNeeds,
    sweeps: 1,
    restore: back.singularValues,
    scalesRows: true,
  }),
  gram: primitive({ run: gram, needs: noNeeds, sweeps: 1, restore: back.gram, scalesRows: true }),
  residual: primitive({
    run: pairResidual,
    check: checkPairResidual,
    sweeps: 1,
    restore: back.objective,
    scalesRows: true,
  }),
  certify: primitive({
    run: certify,
    check: checkCertify,
    needs: needsOfCertify,
    sweeps: 5,
    restore: back.certificate,
    scalesRows: true,
  }),
  multiply: primitive({ run: multiply, check: checkMultiply, needs: noNeeds, sweeps: 1 }),
};
