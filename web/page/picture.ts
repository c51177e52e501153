// The picture that explains it, at the end of the page: loaded when it comes near.
import { byId } from "./dom.js";

interface Picture {
  mountPicture(element: HTMLElement): unknown;
}

const [load] = Object.values(import.meta.glob<Picture>("../picture/picture.ts"));

export function showPicture(): void {
  if (!load) return;
  const section = byId("picture");
  section.hidden = false;
  const watcher = new IntersectionObserver(
    async ([{ isIntersecting }]) => {
      if (!isIntersecting) return;
      watcher.disconnect();
      (await load()).mountPicture(byId("picture-place"));
    },
    { rootMargin: "400px" },
  );
  watcher.observe(section);
}
