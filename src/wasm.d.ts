/** What a runtime or bundler makes of a file where it takes WebAssembly for a module: compiled, not instantiated. */
declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
