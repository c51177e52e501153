// The columns of a matrix as rows, by ranges.
import { locate, locationOf } from "../location.js";
import { rowTypeBytes, type RowSource } from "../matrix.js";

/**
 * The columns of `source` as rows. A stripe of columns is read at a time and kept until another is asked for: small layers are
 * read once, and a sweep over a large one reads all of it once a stripe.
 * @param stripeBytes what is held at a time, but never less than one column
 */
export function transposedRows(source: RowSource, stripeBytes = 64 << 20): RowSource {
  const { rows: n, cols: d, dtype } = source;
  const size = rowTypeBytes[dtype];
  const Words = { 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array }[size as 2 | 4 | 8];
  const width = Math.max(1, Math.min(d, Math.floor(stripeBytes / (n * size))));
  let held: { first: number; bytes: Uint8Array } | undefined;

  async function stripe(first: number): Promise<Uint8Array> {
    const count = Math.min(width, d - first);
    const to = new Words(count * n);
    const step = Math.max(1, Math.floor((4 << 20) / (d * size)));
    for (let start = 0; start < n; start += step) {
      const rows = Math.min(step, n - start);
      const from = new Words(new Uint8Array(await source.read(start, rows)).buffer);
      for (let i = 0; i < rows; ++i) for (let j = 0; j < count; ++j) to[j * n + start + i] = from[i * d + first + j];
    }
    return new Uint8Array(to.buffer);
  }
  const columns: RowSource = {
    rows: d,
    cols: n,
    dtype,
    name: source.name,
    async read(start, count) {
      const result = new Uint8Array(count * n * size);
      for (let at = start; at < start + count;) {
        const first = Math.floor(at / width) * width;
        if (held?.first !== first) held = { first, bytes: await stripe(first) };
        const until = Math.min(start + count, first + width, d);
        result.set(held.bytes.subarray((at - first) * n * size, (until - first) * n * size), (at - start) * n * size);
        at = until;
      }
      return result;
    },
  };
  return locate(columns, async () => {
    const stored = await locationOf(source);
    return stored && { ...stored, transposed: !stored.transposed };
  });
}
