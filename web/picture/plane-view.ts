// The left half: the points, which can be moved, and the lines.
import { set, svg } from "./elements.js";
import type { Point } from "./geometry.js";
import { extent, type Scene, withinPlane } from "./scene.js";
import type { Line, Solution } from "./solve.js";

/** Distance, in CSS pixels, within which a press takes hold of a point: half of the 44 that a finger asks for. */
const reach = 22;
const step = 0.2;
const longStep = 1;
const arrows: Record<string, Point> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

/** Of a pointer or a finger. */
type Place = Pick<Touch, "clientX" | "clientY">;

export class PlaneView {
  readonly element: SVGSVGElement;
  private readonly handles: SVGGElement[];
  private readonly l2 = lineElement("l2");
  private readonly lp = lineElement("lp");
  private readonly labels = { l2: label("l2"), lp: label("lp") };
  private readonly hint = svg("text", { class: "hint", "aria-hidden": "true" }, "drag me");
  private held?: { index: number; pointer: number };

  /** @param moved is told after a point has moved; `scene.points` then has its new place */
  constructor(
    private readonly scene: Scene,
    describedBy: string,
    private readonly moved: () => void,
  ) {
    const { points, firstFar } = scene;
    this.handles = points.map((_, index) => handle(index >= firstFar));
    set(this.handles[firstFar], { tabindex: 0 });
    this.element = svg(
      "svg",
      {
        class: "plane",
        viewBox: `${-extent} ${-extent} ${2 * extent} ${2 * extent}`,
        role: "group",
        "aria-label": "Points in a plane, and two lines through its origin",
        "aria-describedby": describedBy,
      },
      svg("path", { class: "grid", d: `M${-extent} 0H${extent}M0 ${-extent}V${extent}`, "aria-hidden": "true" }),
      // SVD's dashes lie over the other line: where the two are one both show.
      this.lp,
      this.l2,
      ...Object.values(this.labels),
      this.hint,
      ...this.handles,
    );
    this.listen();
    this.place();
  }

  /** Puts the points where the scene has them. */
  place(): void {
    const { points, firstFar } = this.scene;
    points.forEach(([x, y], index) => {
      const far = index >= firstFar;
      const name = far ? `Far point ${index - firstFar + 1}` : `Point ${index + 1}`;
      set(this.handles[index], {
        transform: `translate(${x} ${-y})`,
        "aria-label": `${name}, at ${x.toFixed(1)}, ${y.toFixed(1)}`,
      });
    });
    const [x, y] = points[firstFar];
    set(this.hint, { x: x + 0.55, y: -y + 0.2 });
  }

  draw({ l2, lp, p }: Solution): void {
    drawLine(this.l2, l2);
    drawLine(this.lp, lp);
    this.labels.l2.replaceChildren("SVD");
    this.labels.lp.replaceChildren(`l`, svg("tspan", { class: "below", dy: 0.16 }, nameOfP(p)));
    // One at each end, on the side away from the other line, so that they part where the lines meet.
    placeLabel(this.labels.lp, lp.angle, l2.angle);
    placeLabel(this.labels.l2, l2.angle + Math.PI, lp.angle);
  }

  private listen(): void {
    const { element } = this;
    // A finger that takes a point does not scroll the page; anywhere else on the plane it does. touch-action on the points would say
    // so, but Chromium does not heed it within a drawing.
    const onTouch = (event: TouchEvent) => {
      if (this.nearest(event.changedTouches[0]) !== undefined) event.preventDefault();
    };
    element.addEventListener("touchstart", onTouch, { passive: false });
    element.addEventListener("pointerdown", (event) => {
      const index = this.nearest(event);
      if (index === undefined || event.button !== 0) return;
      event.preventDefault();
      element.setPointerCapture(event.pointerId);
      this.held = { index, pointer: event.pointerId };
      this.choose(index);
      element.classList.add("dragging");
    });
    element.addEventListener("pointermove", (event) => {
      if (this.held?.pointer === event.pointerId) this.move(this.held.index, this.planePoint(event));
    });
    for (const end of ["pointerup", "pointercancel"] as const) {
      element.addEventListener(end, (event) => {
        if (this.held?.pointer !== event.pointerId) return;
        this.held = undefined;
        element.classList.remove("dragging");
      });
    }
    element.addEventListener("keydown", (event) => this.onKey(event));
  }

  private onKey(event: KeyboardEvent): void {
    const index = this.handles.findIndex((one) => one === event.target);
    if (index < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const arrow = arrows[event.key];
    const next = { PageDown: 1, PageUp: -1 }[event.key];
    if (arrow) {
      const length = event.shiftKey ? longStep : step;
      const [x, y] = this.scene.points[index];
      this.move(index, [x + length * arrow[0], y + length * arrow[1]]);
    } else if (next) {
      this.choose((index + next + this.handles.length) % this.handles.length);
    } else return;
    event.preventDefault();
  }

  private move(index: number, to: Point): void {
    this.scene.points[index] = withinPlane(to);
    set(this.hint, { class: "hint done" });
    this.place();
    this.moved();
  }

  /** Gives one point the focus, and with it the place in the Tab order. */
  private choose(index: number): void {
    this.handles.forEach((one, i) => set(one, { tabindex: i === index ? 0 : -1 }));
    this.handles[index].focus({ preventScroll: true });
  }

  private planePoint({ clientX, clientY }: Place): Point {
    const { left, top, width, height } = this.element.getBoundingClientRect();
    return [((clientX - left) / width) * 2 * extent - extent, extent - ((clientY - top) / height) * 2 * extent];
  }

  private nearest(place: Place): number | undefined {
    const [x, y] = this.planePoint(place);
    let least = (reach * 2 * extent) / this.element.getBoundingClientRect().width;
    let found: number | undefined;
    this.scene.points.forEach(([u, v], index) => {
      const distance = Math.hypot(u - x, v - y);
      if (distance > least) return;
      [least, found] = [distance, index];
    });
    return found;
  }
}

/** "1", "1.25", "2": a subscript of l. */
export function nameOfP(p: number): string {
  return String(Number(p.toFixed(2)));
}

function handle(far: boolean): SVGGElement {
  // The first circle is larger than the mark: room for a cursor to find.
  return svg(
    "g",
    { class: far ? "point far" : "point", role: "button", "aria-roledescription": "movable point", tabindex: -1 },
    svg("circle", { class: "reach", r: 0.9 }),
    svg("circle", { class: "halo", r: 0.42 }),
    far
      ? svg("path", { class: "mark", d: "M0 -0.31L0.31 0L0 0.31L-0.31 0Z" })
      : svg("circle", { class: "mark", r: 0.17 }),
  );
}

const lineElement = (name: string) => svg("line", { class: `line ${name}`, "aria-hidden": "true" });
const label = (name: string) => svg("text", { class: `label ${name}`, "aria-hidden": "true" });

function drawLine(line: SVGLineElement, { angle }: Line): void {
  const [x, y] = [1.5 * extent * Math.cos(angle), 1.5 * extent * Math.sin(angle)];
  set(line, { x1: -x, y1: y, x2: x, y2: -y });
}

function placeLabel(text: SVGTextElement, angle: number, other: number): void {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const along = (extent - 1) / Math.max(Math.abs(c), Math.abs(s));
  // The normal that points away from the other line's near end; the text grows away from its own line, too.
  const side = Math.sin(angle - other) * Math.cos(angle - other) >= 0 ? 0.6 : -0.6;
  const [right, up] = [-side * s, side * c];
  set(text, {
    x: along * c + right,
    y: -(along * s + up) + 0.22,
    "text-anchor": Math.abs(right) < Math.abs(up) / 2 ? "middle" : right > 0 ? "start" : "end",
  });
}
