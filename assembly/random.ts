// Counter-based random numbers: Philox4x32-10 of Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3
// (SC 2011). A number depends on (seed, stream, index) alone: no state, any order, the same in every engine.
//
// Key      the seed, 64 bits: low and high word
// Counter  index (64 bits: low, high), stream, 0: one stream a purpose, one index a row
// Output   words 0 and 1 give the first uniform, 2 and 3 the second, of 53 bits each: (w0 >> 5) 2^26 + (w1 >> 6)

let w0: u32, w1: u32, w2: u32, w3: u32; // what philox() returns, read at once by its callers

/** Ten rounds on the counter c0 ... c3 under the key k0, k1; the four words are left in w0 ... w3. */
export function philox(c0: u32, c1: u32, c2: u32, c3: u32, k0: u32, k1: u32): void {
  for (let round = 0; round < 10; ++round) {
    const a = <u64>0xd2511f53 * c0, b = <u64>0xcd9e8d57 * c2;
    c0 = <u32>(b >> 32) ^ c1 ^ k0;
    c1 = <u32>b;
    c2 = <u32>(a >> 32) ^ c3 ^ k1;
    c3 = <u32>a;
    k0 += 0x9e3779b9;
    k1 += 0xbb67ae85;
  }
  w0 = c0;
  w1 = c1;
  w2 = c2;
  w3 = c3;
}

/** Word 0 ... 3 of the last philox(): for tests against the published vectors. */
export function philoxWord(i: u32): u32 {
  return i == 0 ? w0 : i == 1 ? w1 : i == 2 ? w2 : w3;
}

/** 53 bits in [0, 1). */
// @ts-ignore: decorator
@inline function unit(high: u32, low: u32): f64 {
  return (<f64>(high >> 5) * 67108864 + <f64>(low >> 6)) / 9007199254740992;
}

/** out[i] uniform in [0, 1) for the indices first ... first + n - 1 (below 2^53). */
export function uniforms(out: usize, n: u32, seedLow: u32, seedHigh: u32, stream: u32, first: f64): void {
  for (let i: u32 = 0; i < n; ++i) {
    const index = <u64>first + i;
    philox(<u32>index, <u32>(index >> 32), stream, 0, seedLow, seedHigh);
    store<f64>(out + (<usize>i << 3), unit(w0, w1));
  }
}

/** out[i] standard normal (Box, Muller 1958; the cosine branch alone, so that one index is one number). */
export function normals(out: usize, n: u32, seedLow: u32, seedHigh: u32, stream: u32, first: f64): void {
  for (let i: u32 = 0; i < n; ++i) {
    const index = <u64>first + i;
    philox(<u32>index, <u32>(index >> 32), stream, 0, seedLow, seedHigh);
    const radius = sqrt<f64>(-2 * Math.log(1 - unit(w0, w1)));
    store<f64>(out + (<usize>i << 3), radius * Math.cos(2 * Math.PI * unit(w2, w3)));
  }
}
