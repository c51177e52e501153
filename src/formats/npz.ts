/** NumPy's .npz: an archive of .npy files, as numpy.savez and numpy.savez_compressed write it. */
import { InvalidFormatError, OutOfMemoryError } from "../errors.js";
import { bytesSource, type ByteSource } from "./bytes.js";
import { quote } from "./json.js";
import type { LimitOptions } from "./limits.js";
import { type NpyTensor, readNpyArray } from "./npy-array.js";
import { readZipEntries, readZipEntry } from "./zip.js";
import { checkOptions, type Names } from "../option-names.js";

const readNpzNames: Names<LimitOptions> = { limits: 1 };

const MAX_BYTES = 2 ** 31;

/**
 * All arrays by name, in the order of the file. Memory: the arrays, and the bytes of the largest twice.
 * @throws {InvalidFormatError} when it is no archive, or one of its entries is no .npy file that readNpyArray reads.
 * @throws {LimitError} as readNpyHeader.
 * @throws {OutOfMemoryError} when the arrays take more than 2^31 bytes.
 */
export async function readNpz(source: ByteSource, options: LimitOptions = {}): Promise<Map<string, NpyTensor>> {
  checkOptions("readNpz", options, readNpzNames);
  const file = source.name;
  const entries = await readZipEntries(source);
  const total = entries.reduce((sum, { size }) => sum + size, 0);
  if (total > MAX_BYTES) {
    throw new OutOfMemoryError(
      `${file}: its arrays take ${total} bytes; at most ${MAX_BYTES} are read into memory. Give a part of them, such as the first rows.`,
      { file },
    );
  }
  const arrays = new Map<string, NpyTensor>();
  for (const entry of entries) {
    if (!entry.name.endsWith(".npy")) {
      throw new InvalidFormatError(
        `${file}: ${quote(entry.name)} in it is no .npy file; numpy.savez(path, name=array, ...) writes nothing else.`,
        { file, offset: entry.header },
      );
    }
    const bytes = await readZipEntry(source, entry);
    arrays.set(
      entry.name.slice(0, -".npy".length),
      await readNpyArray(bytesSource(bytes, `${file}, ${entry.name}`), options),
    );
  }
  return arrays;
}
