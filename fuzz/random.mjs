// Numbers that depend on their key alone: the seed of a run, the target and the number of an input give the same input
// anywhere, so that what was found is named by three words.
//
// sfc32 (Doty-Humphrey, PractRand), keyed by FNV-1a over the key's text.

export class Random {
  /** @param {...(string | number)} key */
  constructor(...key) {
    let hash = 0x811c9dc5;
    const text = key.join("\0");
    for (let i = 0; i < text.length; ++i) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    this.a = 0x9e3779b9;
    this.b = hash | 0;
    this.c = Math.imul(hash, 0x85ebca6b) | 0;
    this.d = 1;
    for (let i = 0; i < 12; ++i) this.next();
  }

  /** 32 bits, as a whole number from 0. */
  next() {
    const sum = (((this.a + this.b) | 0) + this.d) | 0;
    this.d = (this.d + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A whole number from 0 to n - 1; 0 for n = 0. */
  below(n) {
    return Math.floor((this.next() / 2 ** 32) * n);
  }

  /** True with this probability. */
  chance(probability) {
    return this.next() < probability * 2 ** 32;
  }

  /** @template T @param {ArrayLike<T>} list @returns {T} */
  pick(list) {
    return list[this.below(list.length)];
  }

  /** A length that is mostly small: 2^k with k below `bits`, and less. */
  length(bits) {
    return this.below(2 ** this.below(bits + 1)) + 1;
  }
}
