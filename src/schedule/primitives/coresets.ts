// Rows that stand for all.
import { checkCoreset, coreset } from "../../geometry/coreset/coreset.js";
import { checkSensitivities, sensitivities } from "../../geometry/coreset/sensitivities.js";
import * as back from "../restore.js";
import { primitive } from "./primitive.js";

export const primitives = {
  sensitivities: primitive({ run: sensitivities, check: checkSensitivities, sweeps: 20, scalesRows: true }),
  coreset: primitive({ run: coreset, check: checkCoreset, sweeps: 20, restore: back.coreset, scalesRows: true }),
};
