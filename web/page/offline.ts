// After the first visit the page works without a network.
import { byId } from "./dom.js";

export function installOffline(): void {
  // Browsers have service workers on https and on this machine alone.
  if (!("serviceWorker" in navigator) || import.meta.env.DEV) return;
  addEventListener("load", async () => {
    try {
      await navigator.serviceWorker.register(new URL("service-worker.js", document.baseURI), { scope: "./" });
      await navigator.serviceWorker.ready;
      byId("offline").hidden = false;
    } catch {
      // A host may forbid it, and a private window too; all else works.
    }
  });
}
