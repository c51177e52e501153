import { classes } from "./classification.js";

/** Does a sentence follow from another, contradict it, or neither? (Williams, Nangia, Bowman 2018) */
export const mnli = classes({
  name: "mnli",
  description: "does a sentence follow from another: accuracy",
  text: ["sentence1", "sentence2"],
  label: "gold_label",
  labels: ["entailment", "neutral", "contradiction"],
});
