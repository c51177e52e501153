// Parts that codes of a trellis have in common, read from a file and looked at.
import { trellisTable } from "../../code-trellis.js";
import { InvalidFormatError } from "../../errors.js";
import { f32ToF16 } from "../../formats/index.js";
import { quote } from "../../formats/json.js";
import type { TrellisBits, WindowBits } from "../../types/index.js";
import type { Tensors } from "./kind.js";
import { bytesOf } from "./matrix-journal.js";

/** Values of the windows that begin with 0: the first half of a table, which the other mirrors with its sign changed. */
export function halfTable(bits: TrellisBits, windowBits: WindowBits): Uint8Array {
  return bytesOf(f32ToF16(trellisTable(bits, windowBits).subarray(0, 2 ** (windowBits - 1))));
}

/** Tensors of one model. @throws {InvalidFormatError} that names file and tensor */
export class CodeParts {
  constructor(private readonly model: Tensors) {}

  async bytes(name: string, count?: number): Promise<Uint8Array> {
    const bytes = await this.model.bytes(name);
    if (count !== undefined && bytes.byteLength !== count)
      throw this.broken(name, `has ${bytes.byteLength} bytes, not ${count}`);
    return bytes;
  }

  /** f32 */
  async numbers(name: string, count?: number): Promise<Float32Array> {
    const bytes = await this.bytes(name, count === undefined ? undefined : 4 * count);
    if (bytes.byteLength % 4 !== 0) throw this.broken(name, `has ${bytes.byteLength} bytes, which are no f32`);
    const found = new Float32Array(bytes.slice().buffer);
    const wild = found.findIndex((x) => !Number.isFinite(x));
    if (wild >= 0) throw this.broken(name, `has ${found[wild]} at place ${wild}`);
    return found;
  }

  /** What a graph looks up is what everything else decodes by. */
  async checkTable(name: string, bits: TrellisBits, windowBits: WindowBits): Promise<void> {
    const wanted = halfTable(bits, windowBits);
    const found = await this.bytes(name, wanted.byteLength);
    if (found.some((byte, i) => byte !== wanted[i]))
      throw this.broken(name, `is not the table of ${bits} bits in windows of ${windowBits}`);
  }

  /** One a row, and what they stand for. */
  async scales(names: { scales: string; scaleLevels: string }, rows: number) {
    const scaleLevels = await this.numbers(names.scaleLevels);
    const unordered = scaleLevels.findIndex((x, i) => !(x >= (i ? scaleLevels[i - 1] : 0)));
    if (unordered >= 0)
      throw this.broken(
        names.scaleLevels,
        `has ${scaleLevels[unordered]} as level ${unordered}; they ascend, from 0 at least`,
      );
    const scales = await this.bytes(names.scales, rows);
    const beyond = scales.findIndex((level) => level >= scaleLevels.length);
    if (beyond >= 0)
      throw this.broken(
        names.scales,
        `gives row ${beyond} the level ${scales[beyond]}; there are ${scaleLevels.length}`,
      );
    return { scales, scaleLevels };
  }

  broken(tensor: string, what: string): InvalidFormatError {
    const file = this.model.name;
    return new InvalidFormatError(
      `${file}: tensor ${quote(tensor)} ${what}; the file was damaged, or not written by loewner.`,
      { file, tensor },
    );
  }
}
