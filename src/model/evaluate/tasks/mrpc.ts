import { accuracy } from "../metrics/accuracy.js";
import { f1 } from "../metrics/f1.js";
import { classes } from "./classification.js";

/** Do two sentences say the same? (Dolan, Brockett 2005) */
export const mrpc = classes({
  name: "mrpc",
  description: "do two sentences say the same: F1, accuracy",
  text: ["#1 String", "#2 String"],
  label: "Quality",
  labels: ["not_equivalent", "equivalent"],
  metrics: [
    { name: "f1", score: f1 },
    { name: "accuracy", score: accuracy },
  ],
});
