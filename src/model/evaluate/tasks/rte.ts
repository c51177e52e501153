import { classes } from "./classification.js";

/** Does a sentence follow from another? (Dagan, Glickman, Magnini 2006, as GLUE has it) */
export const rte = classes({
  name: "rte",
  description: "does a sentence follow from another: accuracy",
  text: ["sentence1", "sentence2"],
  label: "label",
  labels: ["entailment", "not_entailment"],
});
