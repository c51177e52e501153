// The picture's plane geometry, and the picture itself in Chromium, under a Content-Security-Policy that allows WebAssembly and
// nothing else beyond its own files.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLoewner } from "../../src/index.js";
import { angleOf, ellipseAxes, levelSetBoundary, normOfProduct, type Point, turn } from "../../web/picture/geometry.js";
import { patienceMs, startChromium } from "../chromium.js";
import { extent, firstScene, withinPlane } from "../../web/picture/scene.js";

const coordinate = fc.integer({ min: -80, max: 80 }).map((x) => x / 10);
const rows = fc.array(fc.tuple(coordinate, coordinate), { minLength: 2, maxLength: 12 });

describe("geometry", () => {
  test("the level set of two unit rows: a square at p = 1, the circle at p = 2", () => {
    const a: Point[] = [
      [1, 0],
      [0, 1],
    ];
    for (const [x, y] of levelSetBoundary(a, 1)) expect(Math.abs(x) + Math.abs(y)).toBeCloseTo(1, 12);
    for (const [x, y] of levelSetBoundary(a, 2)) expect(x * x + y * y).toBeCloseTo(1, 12);
    const corners = levelSetBoundary(a, 1, 7).filter(([x, y]) => Math.min(Math.abs(x), Math.abs(y)) < 1e-12);
    expect(corners.length).toBeGreaterThanOrEqual(4);
  });

  test("boundary points have |Ax|_p = 1, go round by angle, and no corner is cut off", () => {
    fc.assert(
      fc.property(rows, fc.double({ min: 1, max: 2, noNaN: true }), (a, p) => {
        const boundary = levelSetBoundary(a, p, 8);
        for (const x of boundary) expect(normOfProduct(a, x, p)).toBeCloseTo(1, 9);
        const half = boundary.slice(0, boundary.length / 2).map(([x, y]) => Math.atan2(y, x));
        expect(half).toEqual([...half].sort((one, other) => one - other));
        if (p > 1) return;
        // Between corners |Ax|_1 is linear: the middle of two neighbours lies on the boundary too. Their chord is one of the set's
        // sides only where the set ends, that is where the rows are not all on one line.
        const [u, v] = a.find(([x, y]) => x !== 0 || y !== 0) ?? [0, 0];
        if (a.every(([x, y]) => u * y === v * x)) return;
        boundary.forEach(([x, y], i) => {
          const [nextX, nextY] = boundary[(i + 1) % boundary.length];
          expect(normOfProduct(a, [(x + nextX) / 2, (y + nextY) / 2], 1)).toBeCloseTo(1, 9);
        });
      }),
      { examples: [[[[1, 2], [-3, 1], [0.5, 0.5]], 1], [[[0.4, -0.4], [-7.4, 7.4]], 1]] }, // prettier-ignore
    );
  });

  test("axes of a turned ellipse come back", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.1, max: 10, noNaN: true }),
        fc.double({ min: 1.01, max: 100, noNaN: true }),
        fc.double({ min: 0, max: 3.14, noNaN: true }),
        (short, ratio, angle) => {
          const [c, s, long] = [Math.cos(angle), Math.sin(angle), short * ratio];
          const [k, l] = [1 / (short * short), 1 / (long * long)];
          const xy = (k - l) * c * s;
          const axes = ellipseAxes([k * c * c + l * s * s, xy, xy, k * s * s + l * c * c]);
          expect(axes.short / short).toBeCloseTo(1, 9);
          expect(axes.long / long).toBeCloseTo(1, 9);
          expect(turn(axes.shortAngle, angle)).toBeLessThan(1e-6);
        },
      ),
    );
    expect(ellipseAxes([4, 0, 0, 0])).toEqual({ short: 0.5, long: Infinity, shortAngle: 0 });
  });

  test("angles are those of lines, not of rays", () => {
    expect(angleOf([-1, -1])).toBeCloseTo(Math.PI / 4, 12);
    expect(angleOf([-1, 0])).toBe(0);
    expect(angleOf([-1, -0])).toBe(0);
    expect(turn(0.1, Math.PI - 0.1)).toBeCloseTo(0.2, 12);
    expect(withinPlane([99, -99.123])).toEqual([extent - 0.3, 0.3 - extent]);
  });

  test("the kernel's ellipse holds the level set, and over the square root of 2 lies inside", async () => {
    const { points } = firstScene();
    const loewner = await createLoewner();
    for (const p of [1, 1.4, 2]) {
      const matrix = { data: Float64Array.from(points.flat()), rows: points.length, cols: 2 };
      const { H } = await loewner.levelSetEllipsoid(matrix, { p });
      const [xx, xy, , yy] = H.data;
      const squares = levelSetBoundary(points, p).map(([x, y]) => xx * x * x + 2 * xy * x * y + yy * y * y);
      expect(Math.max(...squares)).toBeLessThan(1 + 1e-6);
      expect(Math.max(...squares)).toBeGreaterThan(1 - 1e-3);
      expect(Math.min(...squares)).toBeGreaterThan(0.5 - 1e-6);
    }
    loewner.dispose();
  });
});

/** What is used of playwright-core, whose types are not installed when only src/ is checked. */
interface Tab {
  setDefaultTimeout(ms: number): void;
  goto(url: string): Promise<unknown>;
  waitForSelector(selector: string, options: { state: string }): Promise<unknown>;
  evaluate<T>(script: string): Promise<T>;
  on(event: string, listener: (what: { text?(): string }) => void): void;
  focus(selector: string): Promise<void>;
  keyboard: { press(key: string): Promise<void> };
  mouse: {
    move(x: number, y: number, options?: { steps: number }): Promise<void>;
    down(): Promise<void>;
    up(): Promise<void>;
  };
  context(): { newCDPSession(tab: Tab): Promise<{ send(method: string, parameters: object): Promise<void> }> };
}
type Browser = { newPage(options: object): Promise<Tab>; close(): Promise<void> };

describe("in Chromium", () => {
  const policy =
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; connect-src 'self'";
  const types: Record<string, string> = { html: "text/html", js: "text/javascript", css: "text/css" };
  let folder: string;
  let server: Server;
  let browser: Browser;
  let tab: Tab;
  const complaints: string[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "loewner-picture-"));
    const root = fileURLToPath(new URL("../../web/picture/", import.meta.url));
    await build({ root, base: "./", logLevel: "error", build: { outDir: folder, emptyOutDir: true } });
    server = createServer(({ url = "/" }, response) => {
      const name = url === "/" ? "/index.html" : url;
      try {
        const type = types[name.split(".").at(-1) ?? ""] ?? "application/octet-stream";
        const body = readFileSync(join(folder, name));
        response.setHeader("content-type", type).setHeader("content-security-policy", policy).end(body);
      } catch {
        response.writeHead(204).end(); // favicon.ico
      }
    }).listen(0);
    browser = await startChromium<Browser>();
    tab = await browser.newPage({ viewport: { width: 390, height: 844 }, hasTouch: true });
    tab.setDefaultTimeout(patienceMs);
    tab.on("console", (message) => complaints.push(message.text?.() ?? ""));
    tab.on("pageerror", (error) => complaints.push(String(error)));
    await tab.goto(`http://localhost:${(server.address() as AddressInfo).port}/`);
    await tab.waitForSelector("[data-drawn]", { state: "visible" });
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Angles of the drawn lines, once the picture has come to rest: its live region has spoken anew. */
  async function angles(): Promise<{ l2: number; lp: number }> {
    const of = (name: string) => `(() => {
      const line = document.querySelector(".plane .line.${name}");
      return Math.atan2(-line.getAttribute("y2"), line.getAttribute("x2"));
    })()`;
    await tab.waitForSelector(".loewner-picture [role=status]:not(:empty)", { state: "attached" });
    return { l2: await tab.evaluate(of("l2")), lp: await tab.evaluate(of("lp")) };
  }
  const forget = () => tab.evaluate("document.querySelector('.loewner-picture [role=status]').textContent = ''");
  /** Middle of the first far point, after it is scrolled into view. */
  const farPoint = () =>
    tab.evaluate<{ x: number; y: number }>(`(() => {
      const point = document.querySelector(".point.far .mark");
      point.scrollIntoView({ block: "center" });
      const { x, y, width, height } = point.getBoundingClientRect();
      return { x: x + width / 2, y: y + height / 2 };
    })()`);

  test("dragging the far point turns SVD's line much further than the l_1 line", async () => {
    const before = await angles();
    const { x, y } = await farPoint();
    await forget();
    await tab.mouse.move(x, y);
    await tab.mouse.down();
    await tab.mouse.move(x + 100, y + 130, { steps: 8 });
    await tab.mouse.up();
    const after = await angles();
    expect(turn(after.l2, before.l2)).toBeGreaterThan(0.5);
    expect(turn(after.lp, before.lp)).toBeLessThan(0.1);
  });

  test("so does a finger, and Start again brings all back", async () => {
    const before = await angles();
    const touch = await tab.context().newCDPSession(tab);
    const { x, y } = await farPoint();
    const send = (type: string, touchPoints: object[]) => touch.send("Input.dispatchTouchEvent", { type, touchPoints });
    await forget();
    await send("touchStart", [{ x, y }]);
    for (let i = 1; i <= 5; ++i) await send("touchMove", [{ x: x - 20 * i, y: y - 30 * i }]);
    await send("touchEnd", []);
    const dragged = await angles();
    expect(turn(dragged.l2, before.l2)).toBeGreaterThan(0.5);
    expect(turn(dragged.lp, before.lp)).toBeLessThan(0.1);
    await forget();
    await tab.evaluate("document.querySelector('.loewner-picture button').click()");
    await angles();
    expect(await tab.evaluate("document.querySelector('.point.far').getAttribute('aria-label')")).toBe(
      "Far point 1, at -3.2, 6.9",
    );
  });

  test("arrow keys move the point that has the focus; Page Down goes to the next; the live region tells the numbers", async () => {
    const name = () => tab.evaluate<string>("document.activeElement.getAttribute('aria-label')");
    await tab.focus(".point[tabindex='0']");
    expect(await name()).toBe("Far point 1, at -3.2, 6.9");
    await forget();
    await tab.keyboard.press("Shift+ArrowRight");
    await tab.keyboard.press("ArrowDown");
    expect(await name()).toBe("Far point 1, at -2.2, 6.7");
    await tab.keyboard.press("PageDown");
    expect(await name()).toBe("Far point 2, at 2.5, -4.8");
    await angles();
    expect(await tab.evaluate("document.querySelector('.loewner-picture [role=status]').textContent")).toMatch(
      /^p 1\. SVD's line is turned by \d+°, sum of distances \d+\.\d\. The l 1 line is turned by \d+°/,
    );
  });

  test("at p = 2 the two lines are one", async () => {
    await forget();
    await tab.focus(".loewner-picture input");
    await tab.keyboard.press("End");
    const { l2, lp } = await angles();
    expect(turn(l2, lp)).toBeLessThan(1e-3);
  });

  test("fits a phone, and the policy had nothing to stop", async () => {
    expect(await tab.evaluate("document.documentElement.scrollWidth")).toBe(390);
    expect(complaints).toEqual([]);
  });
});
