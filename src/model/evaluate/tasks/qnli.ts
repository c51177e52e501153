import { classes } from "./classification.js";

/** Does a sentence answer a question? (Rajpurkar et al. 2016, as GLUE has it) */
export const qnli = classes({
  name: "qnli",
  description: "does a sentence answer a question: accuracy",
  text: ["question", "sentence"],
  label: "label",
  labels: ["entailment", "not_entailment"],
});
