import { accuracy } from "../metrics/accuracy.js";
import { f1 } from "../metrics/f1.js";
import { classes } from "./classification.js";

/** Do two questions ask the same? (Quora Question Pairs) A few rows of GLUE's files are broken in two. */
export const qqp = classes({
  name: "qqp",
  description: "do two questions ask the same: F1, accuracy",
  text: ["question1", "question2"],
  label: "is_duplicate",
  ragged: true,
  labels: ["not_duplicate", "duplicate"],
  metrics: [
    { name: "f1", score: f1 },
    { name: "accuracy", score: accuracy },
  ],
});
