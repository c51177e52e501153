import { writeFileSync } from "node:fs";
import { test } from "vitest";
import { createLoewner, isLoewnerError } from "../../src/index.js";
import { checks } from "./checks.js";
import { given, tortures, weightings, wideTortures } from "./matrices.js";
import { notFinite, scaledColumns } from "./numbers.js";

const filter = process.env.PRIM ?? "";
const mfilter = process.env.MAT ?? "";
const wfilter = (process.env.WEI ?? "none").split("|");
const dfilter = (process.env.DT ?? "f64|f32").split("|");
const pf = (process.env.P || undefined)?.split(",").map(Number);
test("explore", async () => {
  const plain = await createLoewner();
  let last: string[] = [];
  const loewner = new Proxy(plain, {
    get(target, key) {
      const f = (target as any)[key];
      return typeof f !== "function" ? f : async (...args: unknown[]) => {
        const r = await f.apply(target, args);
        last.push(...notFinite(r).map((x) => `${String(key)}: ${x}`));
        return r;
      };
    },
  });
  const out: string[] = [];
  const slow: [number, string][] = [];
  let count = 0;
  const t00 = performance.now();
  for (const [mname, mk] of Object.entries({ ...tortures, ...wideTortures })) {
    if (!mname.includes(mfilter)) continue;
    for (const dtype of dfilter) {
      const g = await given(mk, dtype as any);
      if (!g) continue;
      const scaled = scaledColumns(g.exact);
      for (const [wname, w] of Object.entries(weightings)) {
        if (wfilter[0] !== "all" && !wfilter.includes(wname)) continue;
        const s = w && Float64Array.from({ length: g.exact.rows }, (_, i) => w(i, g.exact.rows));
        for (const [name, { check, ps, weighted }] of Object.entries(checks)) {
          if (!new RegExp(filter).test(name)) continue;
          if (s && !weighted) continue;
          for (const p of pf ? ps.filter((x) => pf.includes(x)) : ps) {
            const label = `${name} | p ${p} | ${mname} | ${dtype} | ${wname}`;
            last = [];
            const t0 = performance.now();
            ++count; writeFileSync("/tmp/t8-now.txt", label);
            try {
              const faults = await check({ loewner: loewner as any, ...g, scaled, p, s });
              const finite = last.filter((x) => !(x.includes("proved.upper") || x.includes("logDet is -Infinity") || x.includes("lowRank: p is Inf")));
              for (const f of [...new Set([...finite, ...faults])].slice(0, 3)) out.push(`FAULT ${label} :: ${f}`);
            } catch (e: any) {
              out.push(isLoewnerError(e) ? `ERR ${label} :: ${e.code} ${e.message}` : `CRASH ${label} :: ${e?.stack?.split("\n").slice(0, 3).join(" ")}`);
            }
            const t = performance.now() - t0;
            if (t > 300) slow.push([t, label]);
          }
        }
      }
    }
  }
  slow.sort((a, b) => b[0] - a[0]);
  writeFileSync(process.env.OUT ?? "/tmp/t8-out.txt", [`${count} calls in ${performance.now() - t00} ms`, ...slow.slice(0, 20).map(([t, l]) => `SLOW ${Math.round(t)} ${l}`), ...out].join("\n") + "\n");
}, 3600_000);
