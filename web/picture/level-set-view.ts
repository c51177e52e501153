// The right half: the level set {x : |Ax|_p <= 1}, its Loewner ellipse, and the ellipse that lies inside it.
import { set, svg } from "./elements.js";
import { ellipseAxes, levelSetBoundary, type Point } from "./geometry.js";
import type { Solution } from "./solve.js";

/** Half the side of the square; the ellipse's long axis is drawn with the length `longAxis`, whatever the points' scale. */
const side = 8;
const longAxis = 7.2;

export class LevelSetView {
  readonly element: SVGSVGElement;
  private readonly body = svg("path", { class: "level-set" });
  private readonly outer = svg("ellipse", { class: "loewner" });
  private readonly inner = svg("ellipse", { class: "john" });
  private readonly axis = svg("line", { class: "line lp" });
  private readonly title = svg("title");

  constructor() {
    this.element = svg(
      "svg",
      { class: "dual", viewBox: `${-side} ${-side} ${2 * side} ${2 * side}` },
      this.title,
      svg("path", { class: "grid", d: `M${-side} 0H${side}M0 ${-side}V${side}` }),
      this.axis,
      this.body,
      this.inner,
      this.outer,
    );
  }

  draw(points: readonly Point[], { p, H }: Solution): void {
    const { long, short, shortAngle } = ellipseAxes(H);
    this.element.setAttribute("role", "img");
    this.title.replaceChildren(
      `The level set of the points for p = ${Number(p.toFixed(2))} inside its Loewner ellipse, whose axes are as ` +
        `${(long / short).toFixed(1)} to 1`,
    );
    const ratio = Number.isFinite(long) ? short / long : 0;
    const scale = Number.isFinite(long) ? longAxis / long : longAxis / short;
    const boundary = levelSetBoundary(points, p).map(
      ([x, y]) => `${(x * scale).toFixed(3)} ${(-y * scale).toFixed(3)}`,
    );
    set(this.body, { d: `M${boundary.join("L")}Z` });
    // SVG turns clockwise, the plane counter-clockwise.
    const transform = `rotate(${(-shortAngle * 180) / Math.PI})`;
    const [rx, ry] = ratio > 0 ? [longAxis * ratio, longAxis] : [longAxis, 4 * side];
    set(this.outer, { rx, ry, transform });
    // John's theorem, in the plane: the ellipse over the square root of 2 lies inside.
    set(this.inner, { rx: rx / Math.SQRT2, ry: ry / Math.SQRT2, transform });
    const [x, y] = [2 * side * Math.cos(shortAngle), 2 * side * Math.sin(shortAngle)];
    set(this.axis, { x1: -x, y1: y, x2: x, y2: -y });
  }
}
