// fast-check's arbitraries as a function of seed and number: values are drawn in lots, since a draw on its own begins anew with the
// smallest ones.
import fc from "fast-check";

const lot = 256;

/** @template T @param {import("fast-check").Arbitrary<T>} arbitrary @returns {(seed: number | string, index: number) => T} */
export function sampler(arbitrary) {
  let key;
  let values;
  return (seed, index) => {
    const number = Math.floor(index / lot);
    if (key !== `${seed} ${number}`) {
      values = fc.sample(arbitrary, { seed: hash(`${seed} ${number}`), numRuns: lot });
      key = `${seed} ${number}`;
    }
    return values[index % lot];
  };
}

function hash(text) {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; ++i) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value;
}
