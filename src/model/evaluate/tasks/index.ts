// The tasks by name. Each lies in a file of its own, and one that is not here can be handed over as an object.
import type { Task } from "../task.js";
import { causal } from "./causal.js";
import { classification } from "./classification.js";
import { cola } from "./cola.js";
import { masked } from "./masked.js";
import { mnli } from "./mnli.js";
import { mrpc } from "./mrpc.js";
import { qnli } from "./qnli.js";
import { qqp } from "./qqp.js";
import { retrieval } from "./retrieval.js";
import { rte } from "./rte.js";
import { stsb } from "./similarity.js";
import { sst2 } from "./sst2.js";
import { wnli } from "./wnli.js";

export const tasks: readonly Task[] = [
  ...[classification, cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli],
  ...[retrieval, masked, causal],
];
