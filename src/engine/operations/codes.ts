// The operations of codes of every kind, which are loaded together.
export { quantise } from "./quantise.js";
export { scatter, transform } from "./transform.js";
export { lengths, trellis } from "./trellis.js";
