// Keeps the files of the page, so that it opens without a network. The build puts in their names, and a version that changes with
// their contents. Nothing but this page's own files is ever asked for.
const files = "__FILES__";
const version = "loewner-__VERSION__";

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(version).then((cache) => cache.addAll(files)));
  self.skipWaiting();
});

self.addEventListener("activate", (event) => {
  const old = async () => {
    const names = await caches.keys();
    const stale = names.filter((name) => name.startsWith("loewner-") && name !== version);
    await Promise.all(stale.map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(old());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== location.origin) return;
  event.respondWith(answer(request));
});

/** What is kept, else what the server has; onnxruntime-web is kept once it was asked for. */
async function answer(request) {
  const cache = await caches.open(version);
  const kept = await cache.match(request, { ignoreSearch: true, ignoreVary: true });
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok && new URL(request.url).pathname.includes("/ort/")) await cache.put(request, response.clone());
  return response;
}
