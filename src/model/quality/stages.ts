// Progress of a model that is calibrated, as one share that never goes back: calibration, a first fit, what each layer costs the answers,
// and fits until these agree, whose number nobody knows before.
import type { ProgressListener } from "../model-progress.js";

/** What was done before each stage, of the whole. */
const starts = { calibration: 0, fit: 0.15, costs: 0.5, more: 0.75 };

/** @returns what `shrinkModel` is to tell */
export function inStages(tell: ProgressListener): ProgressListener {
  let share = 0;
  let [layers, fitted] = [1, 0];
  let stage: keyof typeof starts = "calibration";
  const ends = { calibration: starts.fit, fit: starts.costs, costs: starts.more, more: 1 };
  return ({ stage: name, layer, done, total }) => {
    const now = stageOf(name, layer, stage);
    if (now !== stage) fitted = 0;
    stage = now;
    if (stage === "costs") layers = total;
    if (stage === "more" && name === "done") ++fitted;
    const part = stage === "more" ? fitted / (fitted + layers) : total > 0 ? done / total : 0;
    share = Math.max(share, starts[stage] + (ends[stage] - starts[stage]) * part);
    tell({ stage: name, layer, done: share, total: 1 });
  };
}

function stageOf(name: string, layer: string | undefined, before: keyof typeof starts): keyof typeof starts {
  if (name === "what it costs the answers") return "costs";
  if (!layer) return "calibration";
  return before === "costs" || before === "more" ? "more" : "fit";
}
