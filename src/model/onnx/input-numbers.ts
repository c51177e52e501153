// Numbers that a model is fed where nobody gave any: counter-based (number i depends on the seed, the input's name and i alone), by
// integer arithmetic and one division, so that every engine makes the same ones.

/** 32 bits mixed so that each bit of `x` reaches all of them: the finaliser of MurmurHash3. */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** A stream of 32-bit numbers by position. */
export function bitsOf(seed: number, name: string): (i: number) => number {
  let key = mix(seed) ^ mix(Math.floor(seed / 2 ** 32) + 0x9e3779b9);
  for (let c = 0; c < name.length; ++c) key = mix(key ^ name.charCodeAt(c));
  return (i) => mix(mix(i ^ key) + key);
}

/** Uniform in 0 ... n - 1. */
export function uniform(bits: (i: number) => number, n: number): (i: number) => number {
  return (i) => Math.floor((bits(i) / 2 ** 32) * n);
}

/** About standard normal: 12 uniform numbers less 6, whose variance is 1; within -6 ... 6. */
export function normal(bits: (i: number) => number): (i: number) => number {
  return (i) => {
    let sum = 0;
    for (let k = 0; k < 6; ++k) {
      const word = bits(6 * i + k);
      sum += (word & 0xffff) + (word >>> 16);
    }
    return (sum + 6) / 65536 - 6; // + 6: a half for each of the 12, since they are cut off
  };
}
