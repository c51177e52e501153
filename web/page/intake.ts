// Files come in by a drop anywhere on the page, or by the file dialog.
import { byId } from "./dom.js";

/** @param place that they were dropped on */
type Take = (files: readonly File[], place?: Element) => void;

/** Folders are looked into by a script of their own. */
type TakeFolder = (folder: FileSystemEntry) => void;

/** @param id of a file input */
export function chooseFiles(id: string, take: Take): void {
  const chooser = byId<HTMLInputElement>(id);
  chooser.addEventListener("change", () => {
    const files = [...(chooser.files ?? [])];
    // The same file may be chosen again, changed.
    chooser.value = "";
    if (files.length) take(files);
  });
}

export function takeFiles(take: Take, takeFolder: TakeFolder): void {
  chooseFiles("files", take);
  const zone = byId("drop");
  const carriesFiles = ({ dataTransfer }: DragEvent) => dataTransfer?.types.includes("Files") ?? false;
  let depth = 0;
  const over = (change: number) => {
    depth = change === 0 ? 0 : Math.max(0, depth + change);
    zone.classList.toggle("over", depth > 0);
  };
  document.addEventListener("dragenter", (event) => carriesFiles(event) && over(1));
  document.addEventListener("dragleave", (event) => carriesFiles(event) && over(-1));
  document.addEventListener("dragover", (event) => {
    if (carriesFiles(event)) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    over(0);
    const { items = [], files = [] } = event.dataTransfer ?? {};
    const folder = [...items].map((item) => item.webkitGetAsEntry()).find((entry) => entry?.isDirectory);
    if (folder) takeFolder(folder);
    else take([...files], event.target instanceof Element ? event.target : undefined);
  });
}
