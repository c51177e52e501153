// Rows that are held open for several calls, with what the calls found out about them.
import { InvalidInputError } from "../errors.js";
import { MatrixCache } from "../geometry/matrix-cache.js";
import type { RowSource, RowType } from "../matrix.js";
import type { OpenMatrix } from "../types/index.js";

/** Calls enter and leave; what is held for them ends once they are over and nobody may call any more. */
export class CountedMatrix implements OpenMatrix {
  readonly rows: number;
  readonly cols: number;
  readonly dtype: RowType;
  readonly name?: string;
  /** What calls in this thread found out. */
  readonly cache = new MatrixCache();
  private calls = 0;
  private isClosed = false;

  constructor(
    readonly source: RowSource,
    readonly threads: number,
    /** To any other they are rows like others. */
    readonly owner: unknown,
    /** Called once they are closed and the calls made before are over. */
    private readonly onEnd: () => void,
  ) {
    const { rows, cols, dtype, name } = source;
    this.rows = rows;
    this.cols = cols;
    this.dtype = dtype;
    this.name = name;
  }

  read(start: number, count: number): Uint8Array | Promise<Uint8Array> {
    return this.source.read(start, count);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.calls === 0) this.onEnd();
  }

  /** @throws {InvalidInputError} once it is closed */
  enter(): void {
    if (this.isClosed) {
      const { name = "A", rows, cols } = this;
      throw new InvalidInputError(`${name} (${rows} x ${cols}) was closed; open it again, or pass the matrix itself.`, {
        tensor: name,
      });
    }
    ++this.calls;
  }

  leave(): void {
    if (--this.calls === 0 && this.isClosed) this.onEnd();
  }
}

/** Rows that a worker may keep. */
export class OpenRows extends CountedMatrix {
  /** The worker that calls go to, once one did: it keeps the rows, when they have been sent, and facts of its own. */
  worker: number | undefined;
  isSent = false;

  constructor(
    source: RowSource,
    threads: number,
    readonly id: number,
    owner: unknown,
    onEnd: (rows: OpenRows) => void,
  ) {
    super(source, threads, owner, () => onEnd(this));
  }
}
