// The ellipsoids behind the l_p-SVD of 1000 rows, p = 1: Lewis weights with their certificate, the Loewner ellipsoid of the level
// set by contact points, and the shallow-cut method of the paper, written afresh (reference/shallow-cut.ts).
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { uniform } from "../examples/embedding.mjs";
import { createLoewner } from "../dist/index.js";
import { note, print } from "./table.mjs";

/** reference/ as JavaScript, in build/. */
async function reference(name) {
  const from = new URL("../reference/", import.meta.url);
  const to = new URL("../build/reference/", import.meta.url);
  mkdirSync(to, { recursive: true });
  for (const file of readdirSync(from).filter((f) => f.endsWith(".ts"))) {
    const { outputText } = ts.transpileModule(readFileSync(new URL(file, from), "utf8"), {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
    });
    writeFileSync(new URL(file.replace(/ts$/, "js"), to), outputText);
  }
  return import(fileURLToPath(new URL(name, to)));
}

/** Rows with a heavy tail; f64. */
function heavy(rows, cols, seed) {
  const bell = (i) => (uniform(seed, 3 * i) + uniform(seed, 3 * i + 1) + uniform(seed, 3 * i + 2) - 1.5) * 2;
  const data = new Float64Array(rows * cols);
  for (let i = 0; i < rows; ++i) {
    const size = uniform(seed + 1, i) ** -0.4;
    for (let j = 0; j < cols; ++j) data[i * cols + j] = size * bell(i * cols + j);
  }
  return { data, rows, cols };
}

async function timed(body) {
  const started = performance.now();
  const result = await body();
  return { result, seconds: (performance.now() - started) / 1000 };
}

const n = 1000;
const seed = 1;

export async function levelSet({ runs = 1, columns = [20, 50] }) {
  const { shallowCut } = await reference("shallow-cut.js");
  const loewner = await createLoewner();
  for (const cols of columns) {
    const a = heavy(n, cols, seed);
    await loewner.lewisWeights(a, { tolerance: 1e-2 });
    const best = { seconds: Infinity };
    for (let i = 0; i < runs * 3; ++i) {
      const one = await timed(() => loewner.lewisWeights(a, { p: 1, tolerance: 1e-2 }));
      if (one.seconds < best.seconds) Object.assign(best, one);
    }
    const { gram, certificate, rank } = best.result;
    const lewisLogDet = logDet(gram) + 2 * cols * Math.log(certificate.lower);
    const contact = { seconds: Infinity };
    for (let i = 0; i < runs; ++i) {
      const one = await timed(() => loewner.levelSetEllipsoid(a, { p: 1 }));
      if (one.seconds < contact.seconds) Object.assign(contact, one);
    }
    const level = contact.result;
    const cut = await timed(() => shallowCut(a, 1));
    const ratio = (seconds) => `${(cut.seconds / seconds).toFixed(seconds > 1 ? 1 : 0)} x`;
    print(`${n} x ${cols}, rank ${rank}, p = 1, seed ${seed}; the larger log det H, the smaller E`, [
      ["", "seconds", "shallow cuts /", "log det H", "distortion proved", "of L in E"],
      [
        "shallow cuts",
        cut.seconds.toFixed(2),
        "1 x",
        cut.result.logDetH.toFixed(2),
        cut.result.converged ? `${cols} (its stop rule)` : "none",
        `proved (${cut.result.cuts} cuts)`,
      ],
      [
        "Lewis weights, to 1 %",
        best.seconds.toFixed(4),
        ratio(best.seconds),
        lewisLogDet.toFixed(2),
        (certificate.upper / certificate.lower).toFixed(3),
        "proved",
      ],
      [
        "level set, contact points",
        contact.seconds.toFixed(2),
        ratio(contact.seconds),
        level.logDet.toFixed(2),
        level.certificate.upper.toFixed(3),
        `found to ${level.residual.toExponential(0)}, proved with factor ${level.factor.toFixed(2)}`,
      ],
    ]);
    note(
      `sqrt(${cols}) = ${Math.sqrt(cols).toFixed(3)}; ${level.contacts.rows} contact points, ${level.iterations} rounds`,
    );
  }
  loewner.dispose();
}

/** Of a symmetric positive definite matrix, by Cholesky. */
function logDet({ data, rows: d }) {
  const L = data.slice();
  let sum = 0;
  for (let i = 0; i < d; ++i) {
    for (let j = 0; j <= i; ++j) {
      for (let k = 0; k < j; ++k) L[i * d + j] -= L[i * d + k] * L[j * d + k];
      L[i * d + j] = i === j ? Math.sqrt(L[i * d + i]) : L[i * d + j] / L[j * d + j];
    }
    sum += 2 * Math.log(L[i * d + i]);
  }
  return sum;
}
