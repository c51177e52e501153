// Shows the picture in every element marked data-picture.
import { mountPicture } from "./picture.js";

for (const element of document.querySelectorAll<HTMLElement>("[data-picture]")) {
  element.replaceChildren();
  mountPicture(element);
}
