// Scoped memory: a frame is the only source of pointers. What it handed out dies with it; only copies leave.
import type { Kernel } from "./load.js";

export class Frame {
  constructor(readonly kernel: Kernel) {}

  /** `bytes` uninitialised bytes on a 64-byte boundary. */
  bytes(bytes: number): number {
    return this.kernel.allocate(bytes);
  }

  /** `count` f64, uninitialised. */
  f64(count: number): number {
    return this.kernel.allocate(count * 8);
  }

  /** A copy of `data`. */
  copy(data: Float64Array): number {
    const pointer = this.f64(data.length);
    this.kernel.f64(pointer, data.length).set(data);
    return pointer;
  }

  /** Like `copy`; 0, which kernels take for "none", when there is nothing to copy. */
  copyOptional(data: Float64Array | undefined): number {
    return data ? this.copy(data) : 0;
  }
}

/** Runs `body` with a frame and frees what it allocated, also after an error. Frames nest like calls. */
export function withFrame<T>(kernel: Kernel, body: (frame: Frame) => T): T {
  const mark = kernel.top;
  try {
    return body(new Frame(kernel));
  } finally {
    kernel.top = mark;
  }
}

/** The same for a body with awaits: no other frame may be opened outside it meanwhile (calls on one instance queue up). */
export async function withFrameAsync<T>(kernel: Kernel, body: (frame: Frame) => Promise<T>): Promise<T> {
  const mark = kernel.top;
  try {
    return await body(new Frame(kernel));
  } finally {
    kernel.top = mark;
  }
}
