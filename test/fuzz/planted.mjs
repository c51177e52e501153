// Targets with faults on purpose: the fuzzer must find each. One input in ten meets the fault.
const planted = (fault) => async () => ({
  async open() {
    return {
      main: "input.bin",
      input: (_seed, index) => ({ "input.bin": Uint8Array.of(index & 255, index >> 8) }),
      async run({ "input.bin": [low] }) {
        if (low % 10 === 7) await fault();
        return "read";
      },
    };
  },
});

export const targets = {
  clean: planted(() => undefined),
  exception: planted(() => {
    throw new TypeError("Cannot read properties of undefined");
  }),
  loop: planted(() => {
    for (;;);
  }),
  promise: planted(() => new Promise(() => undefined)),
  buffer: planted(() => new Uint8Array(2 ** 30)),
  "caught buffer": planted(() => {
    try {
      return new Float64Array(2 ** 40);
    } catch {
      return undefined;
    }
  }),
  heap: planted(() => {
    const all = [];
    for (;;) all.push(new Array(1e6).fill(all.length + 0.5));
  }),
  resident: planted(() => {
    const all = [];
    for (let i = 0; i < 80; ++i) all.push(new Uint8Array(8 << 20).fill(i + 1));
    return all.length;
  }),
  rejection: planted(() => {
    void Promise.reject(new TypeError("nobody waits for this"));
    return new Promise((resolve) => setTimeout(resolve, 10));
  }),
};
