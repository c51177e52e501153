import { matthews } from "../metrics/matthews.js";
import { classes } from "./classification.js";

/** Is a sentence grammatical? (Warstadt, Singh, Bowman 2019) GLUE's file has no row of names: the columns are source, label, star, sentence. */
export const cola = classes({
  name: "cola",
  description: "is a sentence grammatical: Matthews correlation",
  text: ["sentence"],
  label: "label",
  columns: ["source", "label", "star", "sentence"],
  labels: ["unacceptable", "acceptable"],
  metrics: [{ name: "matthews", score: matthews }],
});
