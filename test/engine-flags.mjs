// Flags of V8 for the tests' processes.

/**
 * How much a WebAssembly function runs before it is compiled a second time, by the optimizing compiler. By default onnxruntime is for
 * every small model: two thirds of the time that it takes to run one. The kernels still come to it within a tenth of a second of work.
 */
export const engineFlags = ["--wasm-tiering-budget=100000000"];
