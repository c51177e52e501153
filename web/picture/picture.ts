// The picture that explains robust low rank: points that can be dragged, SVD's line and the l_p line, and the ellipse behind the
// latter, as p moves from 1 to 2. All of it is computed in the tab, by the kernel that compresses models.
import { createLoewner } from "loewner";
import { html, set } from "./elements.js";
import { Latest } from "./latest.js";
import { LevelSetView } from "./level-set-view.js";
import { NumbersView } from "./numbers-view.js";
import { nameOfP, PlaneView } from "./plane-view.js";
import { firstScene } from "./scene.js";
import { Solver } from "./solve.js";
import "./picture.css";

let pictures = 0;

/**
 * Shows the picture at the end of `element`, as wide as it is, from 280 CSS pixels on. One thread, some 10 ms a change, once a frame at
 * most. A kernel that cannot run (no SIMD) is said in the picture. Throws nothing.
 *
 * @returns dispose() removes it and frees the kernel's memory
 */
export function mountPicture(element: HTMLElement): { dispose(): void } {
  const id = `loewner-picture-${++pictures}`;
  const scene = firstScene();
  let p = 1;

  const plane = new PlaneView(scene, `${id}-keys`, () => update());
  const levelSet = new LevelSetView();
  const numbers = new NumbersView();
  const slider = html("input", { type: "range", id: `${id}-p`, min: 1, max: 2, step: 0.01, value: p });
  const value = html("output", { for: slider.id });
  const reset = html("button", { type: "button" }, "Start again");
  const subscript = () => html("sub", {}, "p");

  const root = html(
    "section",
    { class: "loewner-picture", "aria-label": "Why not SVD: a picture to play with" },
    html(
      "div",
      { class: "story" },
      numbers.headline,
      html(
        "p",
        {},
        "SVD makes squares small, and a far point’s square outweighs all the others. At p = 1 its distance counts, no more: " +
          "the line stays with the many. Drag a point; move p to 2, and the two lines are one.",
      ),
    ),
    html(
      "div",
      { class: "halves" },
      html(
        "div",
        {},
        html("div", { class: "frame" }, plane.element),
        html(
          "div",
          { class: "controls" },
          html("label", { for: slider.id }, "p"),
          html("div", { class: "range" }, slider, html("span", {}, "1, robust"), html("span", {}, "2, SVD")),
          value,
          reset,
        ),
        html("div", { class: "numbers" }, numbers.table),
      ),
      html(
        "figure",
        {},
        html("div", { class: "frame" }, levelSet.element),
        html(
          "figcaption",
          {},
          html(
            "p",
            {},
            key("level-set"),
            "The level set L of all x with |Ax|",
            subscript(),
            " ≤ 1, A the points’ matrix",
          ),
          html(
            "p",
            {},
            key("loewner"),
            "its Loewner ellipse: the smallest that holds L. Its short axis is the l",
            subscript(),
            " line",
          ),
          html("p", {}, key("john"), "the same over √2: always inside L"),
        ),
      ),
    ),
    html(
      "p",
      { class: "keys", id: `${id}-keys` },
      "Keyboard: arrows move a point, with Shift further; Page Up and Page Down go to the next.",
    ),
    numbers.status,
  );
  element.append(root);

  const kernel = createLoewner().then((loewner) => ({ loewner, solver: new Solver(loewner) }));
  const latest = new Latest(async () => {
    try {
      const { solver } = await kernel;
      const points = [...scene.points];
      const solution = await solver.solve({ ...scene, points }, p);
      plane.draw(solution);
      levelSet.draw(points, solution);
      numbers.draw(solution);
      set(root, { "data-drawn": "" });
    } catch (error) {
      latest.end();
      numbers.headline.replaceChildren(error instanceof Error ? error.message : String(error));
      set(numbers.headline, { role: "alert" });
    }
  });
  const update = () => latest.request();
  const showP = () => {
    value.replaceChildren(p.toFixed(2));
    set(slider, { "aria-valuetext": p === 2 ? "2, SVD" : nameOfP(p) });
    update();
  };
  slider.addEventListener("input", () => {
    p = slider.valueAsNumber;
    showP();
  });
  reset.addEventListener("click", () => {
    scene.points = firstScene().points;
    p = 1;
    slider.valueAsNumber = p;
    plane.place();
    showP();
  });
  showP();

  return {
    dispose() {
      latest.end();
      numbers.dispose();
      root.remove();
      kernel.then(({ loewner }) => loewner.dispose()).catch(() => {});
    },
  };
}

/** A sample of how something is drawn. */
function key(name: string): HTMLElement {
  return html("span", { class: `key ${name}`, "aria-hidden": "true" });
}
