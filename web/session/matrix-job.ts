// A single matrix, as `loewner low-rank` takes it: its factors are two .npy files.
import { InvalidInputError, type Loewner, type Matrix, rankForKeep } from "loewner";
import { npyHeader, NpyRowWriter, type NpyRows, writeNpy } from "loewner/formats";
import type { OutputFile } from "loewner/model";
import { rowTypeBytes } from "loewner/matrix.js";
import { predictedError } from "loewner/model/choices.js";
import type { Job, Made } from "./job.js";
import type { Choice, Prediction, Summary } from "./protocol.js";
import type { Run } from "./serve.js";
import type { Spectra } from "./spectra.js";

/** The one layer's name. */
const layer = "A";

export class MatrixJob implements Job {
  readonly summary: Summary;
  private readonly type: "f32" | "f64";

  constructor(
    private readonly rows: NpyRows,
    private readonly bytes: number,
    private readonly loewner: Loewner,
    private readonly spectra: Spectra,
  ) {
    const { name, shape, dtype } = rows;
    this.type = dtype === "f64" ? "f64" : "f32";
    const only = {
      name: layer,
      kind: "matrix",
      shape: [rows.rows, rows.cols],
      dtype: dtype.toUpperCase(),
      inAll: true,
    };
    this.summary = {
      format: "npy",
      name,
      bytes,
      layers: [{ ...only, bytes, byDefault: shape.length === 2 }],
      stored: [],
    };
  }

  source() {
    return { ...this.rows, name: layer };
  }

  async predict(choice: Choice): Promise<Prediction> {
    const rank = this.rankOf(choice);
    const { rows, cols } = this.rows;
    const singularValues = this.spectra.get(this.source());
    const error =
      singularValues && Math.sqrt(predictedError({ rows, cols, singularValues }, { rank, type: this.type }));
    const bytesAfter = this.bytesAt(rank);
    return { bytesAfter, layers: [{ name: layer, rank, type: this.type, bytesAfter, error }], skipped: [], error };
  }

  async compress(choice: Choice, { signal, onProgress }: Run): Promise<Made> {
    const { p, method } = choice;
    const source = this.rows;
    const { rows, cols } = source;
    const result = await this.loewner.lowRank(source, {
      rank: this.rankOf(choice),
      p,
      method,
      factorType: this.type,
      signal,
      onProgress,
    });
    const { left, right, rank, certificate } = result;
    const { objective, candidates } = result.report;
    const explain = `rank ${rank} by ${result.method}`;
    const made = {
      name: layer,
      rows,
      cols,
      rank,
      type: this.type,
      method: result.method,
      p: result.p,
      explain,
      bytesBefore: this.bytes,
      bytesAfter: this.bytesAt(rank),
      objective,
      candidates,
      certificate,
    };
    return {
      layers: [made],
      skipped: [],
      files: this.files(left, right),
      pair: async () => ({ source, rank, left, right, ofTokens: true }),
    };
  }

  private files(left: Matrix, right: Matrix): OutputFile[] {
    const stem = this.rows.name.replace(/\.npy$/i, "");
    const file = (name: string, matrix: Matrix, write: OutputFile["write"]) => ({
      name: `${stem}.${name}.npy`,
      byteLength: this.header(matrix).length + matrix.data.byteLength,
      write,
    });
    return [
      file("left", left, async (sink) => {
        const writer = new NpyRowWriter(sink, left.rows);
        await writer.write(0, left.data);
        await writer.finish();
      }),
      file("right", right, (sink) => writeNpy(sink, { data: right.data, shape: [right.rows, right.cols] })),
    ];
  }

  private header({ rows, cols }: Pick<Matrix, "rows" | "cols">): Uint8Array {
    return npyHeader(this.type, [rows, cols]);
  }

  private bytesAt(rank: number): number {
    const { rows, cols } = this.rows;
    const headers = this.header({ rows, cols: rank }).length + this.header({ rows: rank, cols }).length;
    return headers + rank * (rows + cols) * rowTypeBytes[this.type];
  }

  /** @throws {InvalidInputError} when the size leaves no rank */
  private rankOf({ size }: Choice): number {
    const { rows, cols, name } = this.rows;
    if ("keep" in size) {
      const rank = rankForKeep(size.keep, rows, cols);
      if (rank >= 1) return rank;
      throw new InvalidInputError(
        `keep ${size.keep} leaves ${name} (${rows} x ${cols}) no rank at all; rank 1 takes ${((rows + cols) / (rows * cols)).toPrecision(3)}.`,
        { tensor: name },
      );
    }
    if (!("bytes" in size)) throw new InvalidInputError("A matrix is made smaller to a share of it, or to a size.");
    const least = this.bytesAt(1);
    if (size.bytes < least)
      throw new InvalidInputError(`${size.bytes} bytes are too few for ${name}: rank 1 makes ${least}.`, {
        file: name,
      });
    const perRank = this.bytesAt(2) - least;
    let rank = Math.min(rows, cols, 1 + Math.ceil((size.bytes - least) / perRank));
    while (this.bytesAt(rank) > size.bytes) --rank;
    return rank;
  }
}
