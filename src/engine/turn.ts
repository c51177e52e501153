// Long work on one thread lets the event loop run now and then, so that signals, timers and messages are heard.

/** Milliseconds that the event loop may wait. */
const patienceMs = 12;

let lastTurn = 0;

/** Lets the event loop run, when it has waited long enough. The clock decides when, never what. */
export async function takeTurn(): Promise<void> {
  if (performance.now() - lastTurn < patienceMs) return;
  await macrotask();
  lastTurn = performance.now();
}

const macrotask: () => Promise<void> =
  typeof setImmediate === "function"
    ? () => new Promise((resolve) => setImmediate(resolve))
    : () => new Promise((resolve) => setTimeout(resolve, 0));
