import { classes } from "./classification.js";

/** Sentiment of a sentence (Socher et al. 2013). */
export const sst2 = classes({
  name: "sst2",
  description: "sentiment of a sentence: accuracy",
  text: ["sentence"],
  label: "label",
  labels: ["negative", "positive"],
});
