import { classes } from "./classification.js";

/** Does a sentence follow from another with a pronoun replaced? (Levesque, Davis, Morgenstern 2012, as GLUE has it) */
export const wnli = classes({
  name: "wnli",
  description: "what does a pronoun stand for: accuracy",
  text: ["sentence1", "sentence2"],
  label: "label",
  labels: ["not_entailment", "entailment"],
});
