// Buffers are counted as they are asked for: zeroed pages that nobody touches are in no measure of the process's memory, and a
// length field that asks for a terabyte asks for them.
//
// Typed arrays lie outside V8's heap, which --max-old-space-size bounds; what is in that heap is left to it.

/** A buffer that no input of this size can need. Thrown in place of the allocation. */
export class AllocationError extends Error {
  constructor(bytes, limit) {
    super(`a buffer of ${bytes} bytes was asked for, over the ${limit} that an input of this size may need`);
  }
}

const typedArrays = [
  ...["Uint8Array", "Int8Array", "Uint8ClampedArray", "Uint16Array", "Int16Array", "Uint32Array", "Int32Array"],
  ...["Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array"],
];

/** Puts counting constructors in the place of this realm's own; call it once, before anything is loaded that keeps one of them. */
export function watchBuffers() {
  const watch = {
    /** Bytes of one buffer above which AllocationError is thrown. */
    limit: Infinity,
    /** Bytes of the largest buffer that was asked for. */
    largest: 0,
    /** The error that was thrown, whoever caught it. */
    refused: undefined,
  };
  const note = (bytes) => {
    if (!(bytes > watch.largest)) return;
    if (bytes > watch.limit) throw (watch.refused = new AllocationError(bytes, watch.limit));
    watch.largest = bytes;
  };
  for (const name of ["ArrayBuffer", "SharedArrayBuffer"]) replace(name, ([length]) => note(Number(length)));
  for (const name of typedArrays) {
    const size = globalThis[name].BYTES_PER_ELEMENT;
    replace(name, ([first]) => {
      if (typeof first === "number") note(first * size);
      else if (!(first instanceof ArrayBuffer) && first?.length !== undefined) note(first.length * size);
    });
  }
  return watch;
}

function replace(name, check) {
  const own = globalThis[name];
  const counting = new Proxy(own, {
    construct(target, args, newTarget) {
      check(args);
      return Reflect.construct(target, args, newTarget === counting ? target : newTarget);
    },
  });
  globalThis[name] = counting;
}
