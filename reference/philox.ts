// Philox4x32-10: Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3 (SC 2011), with BigInt products.
//
// Key: the seed, low and high word. Counter: index low, index high, stream, 0. A uniform is 53 bits of words 0 and 1.

const mask = 0xffffffffn;

/** The four words that ten rounds make of the counter under the key. */
export function philox(counter: readonly number[], key: readonly number[]): number[] {
  let [c0, c1, c2, c3] = counter.map(BigInt);
  let [k0, k1] = key.map(BigInt);
  for (let round = 0; round < 10; ++round) {
    const a = 0xd2511f53n * c0;
    const b = 0xcd9e8d57n * c2;
    [c0, c1, c2, c3] = [(b >> 32n) ^ c1 ^ k0, b & mask, (a >> 32n) ^ c3 ^ k1, a & mask];
    k0 = (k0 + 0x9e3779b9n) & mask;
    k1 = (k1 + 0xbb67ae85n) & mask;
  }
  return [c0, c1, c2, c3].map(Number);
}

/** Number `index` of a stream, in [0, 1). */
export function uniform(seed: number, stream: number, index: number): number {
  const split = (x: number) => [x % 2 ** 32, Math.floor(x / 2 ** 32)];
  const [w0, w1] = philox([...split(index), stream, 0], split(seed));
  return (Math.floor(w0 / 32) * 2 ** 26 + Math.floor(w1 / 64)) / 2 ** 53;
}
