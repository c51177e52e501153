// Whatever gives factors, or judges them: what must be so of every answer.
import type { LowRankCertificate, Matrix, Objective } from "../../src/index.js";
import { decodeRows } from "../../src/codes.js";
import { TransformDecoder } from "../../src/transform-codes.js";
import { TrellisDecoder } from "../../src/trellis-codes.js";
import { bell } from "../library/matrices.js";
import { exponentOf, logNorm, times, timesPower } from "./numbers.js";
import { outside, type Check, type Situation } from "./situation.js";

/** (A - left right) 2^-e, e that of A's largest entry. */
interface Residual {
  data: Float64Array;
  rows: number;
  cols: number;
  e: number;
  /** Sum over a row of |a| and |left right|, by which rounding goes. */
  sizes: Float64Array;
}

function residualOf({ exact }: Situation, left: Matrix, right: Matrix, leftExponent = 0): Residual {
  const { rows, cols } = exact;
  const e = exponentOf(exact.data.reduce((top, x) => Math.max(top, Math.abs(x)), 0));
  const data = exact.data.map((x) => timesPower(x, -e));
  const sizes = new Float64Array(rows);
  for (let i = 0; i < rows; ++i) {
    for (let j = 0; j < cols; ++j) sizes[i] += Math.abs(data[i * cols + j]);
    for (let k = 0; k < right.rows; ++k) {
      const l = timesPower(left.data[i * right.rows + k], leftExponent - e);
      for (let j = 0; j < cols; ++j) {
        const term = l * right.data[k * cols + j];
        data[i * cols + j] -= term;
        sizes[i] += Math.abs(term);
      }
    }
  }
  return { data, rows, cols, e, sizes };
}

/** A right' times 2^-e, as residualOf takes it. */
function projectionOn({ data, rows, cols }: Matrix, right: Matrix): { left: Matrix; e: number } {
  const e = exponentOf(Float64Array.from(data).reduce((top, x) => Math.max(top, Math.abs(x)), 0));
  const left = new Float64Array(rows * right.rows);
  for (let i = 0; i < rows; ++i) {
    for (let k = 0; k < right.rows; ++k) {
      for (let j = 0; j < cols; ++j)
        left[i * right.rows + k] += timesPower(data[i * cols + j], -e) * right.data[k * cols + j];
    }
  }
  return { left: { data: left, rows, cols: right.rows }, e };
}

const unitOf = (situation: Situation) => (situation.dtype === "f64" ? 2 ** -53 : 2 ** -24);

/** The norms that are reported, against the residual of the factors that were handed out. */
function objectiveFaults(situation: Situation, objective: Objective, rest: Residual, exactly = false): string[] {
  const { p, s } = situation;
  const { rows, cols, e } = rest;
  const rowNorms = Float64Array.from({ length: rows }, (_, i) =>
    Math.exp(logNorm(rest.data.subarray(i * cols, (i + 1) * cols), 2)),
  );
  const weights = s && Float64Array.from({ length: rows * cols }, (_, at) => s[Math.floor(at / cols)]);
  // What rounding may do, in l1, from products in the factors' type: products are cols long.
  const noise = exactly ? 2 ** -50 : 16 * unitOf(situation);
  const reported = {
    l1: [objective.l1, logNorm(rest.data, 1, weights), logNorm(rest.sizes, 1, s), 1],
    l21: [objective.l21, logNorm(rowNorms, 1, s), logNorm(rest.sizes, 1, s), 1],
    l2: [objective.l2, logNorm(rowNorms, 2, s), logNorm(rest.sizes, 2, s), 1],
    worst: [objective.worstRow.norm, logNorm(rowNorms, Infinity), logNorm(rest.sizes, Infinity), 1],
    lp: [objective.lp, logNorm(rest.data, p, weights), logNorm(rest.sizes, p, s), p === Infinity ? 1 : p],
  } as const;
  const faults: string[] = [];
  for (const [name, [value, log, size, power]] of Object.entries(reported)) {
    // The p-th root of what is reported, in the residual's unit.
    const found = value > 0 ? Math.log(value) / power - e * Math.LN2 : -Infinity;
    const top = Math.max(found, log);
    // Below the range of f64 nothing is left of a sum; and its square, where the norm is the root of a sum of squares.
    if (power * (top + e * Math.LN2) < Math.log(2 ** -1020) || top < Math.log(2 ** -480)) continue;
    const difference = Math.abs(Math.exp(found - top) - Math.exp(log - top));
    if (difference > 1e-5 + noise * cols * Math.exp(size - top))
      faults.push(`${name} is e^${found}, should be e^${log}, sizes e^${size}`);
  }
  return faults;
}

function boundFaults(situation: Situation, certificate: LowRankCertificate, rest: Residual): string[] {
  const { p, s } = situation;
  const { bound, slack, rounding } = certificate;
  const { cols } = rest;
  // Denormal f64 has no digits to certify.
  const lost = timesPower(2 ** -1040, -rest.e);
  const proved = Math.log(timesPower(bound, -rest.e) * (1 + slack) + timesPower(rounding, -rest.e) + lost);
  for (let k = 0; k < 24 + 2 * cols; ++k) {
    const x = Float64Array.from({ length: cols }, (_, j) =>
      k < 24
        ? bell(17, k * cols + j)
        : k < 24 + cols
          ? Number(j === k - 24)
          : rest.data[((k - 24) % rest.rows) * cols + j],
    );
    const size = logNorm(x, 2);
    const norm = logNorm(times(rest, x), p, s);
    if (size > -Infinity && norm > proved + size + 1e-9)
      return [`|(A - left right) x| = e^${norm - size} |x|, proved e^${proved}`];
  }
  return [];
}

function orthonormalFaults(right: Matrix, unit: number): string[] {
  const { rows: k, cols: d, data } = right;
  for (let a = 0; a < k; ++a) {
    for (let b = 0; b <= a; ++b) {
      let dot = 0;
      for (let j = 0; j < d; ++j) dot += data[a * d + j] * data[b * d + j];
      if (!(Math.abs(dot - Number(a === b)) <= 8 * d * unit + 1e-12))
        return [`rows ${b} and ${a} of right have the inner product ${dot}`];
    }
  }
  return [];
}

const halfRank = ({ exact: { rows, cols } }: Situation) => Math.max(1, Math.min(rows, cols) >> 1);

export const lowRank =
  (
    method: "lewis" | "svd" | "level-set" | "subspace" | "entrywise" | "auto",
    objective: "lp" | "l21" | "l2" | "operator" = "lp",
  ): Check =>
  async (situation) => {
    const { loewner, a, s, p, dtype } = situation;
    if ((method === "subspace" && p > 2) || (method === "entrywise" && p >= 4)) return [];
    const rank = halfRank(situation);
    const factorType = dtype === "f64" ? "f64" : "f32";
    const { left, right, certificate, report } = await loewner.lowRank(a, {
      rank,
      p,
      rowWeights: s,
      method,
      objective,
      factorType,
    });
    const rest = residualOf(situation, left, right);
    const faults = [
      ...orthonormalFaults(right, unitOf(situation)),
      ...objectiveFaults(situation, report.objective, rest),
      ...boundFaults(situation, certificate, rest),
    ];
    if (method === "auto" && objective !== "operator") {
      const svd = report.candidates.find((x) => x.method === "svd")!;
      if (!(report.objective[objective] <= svd.objective[objective])) faults.push("worse than SVD");
    }
    return faults;
  };

export const certify =
  (ellipsoid: "lewis" | "level-set", withLeft: boolean): Check =>
  async (situation) => {
    const { loewner, a, s, p, exact, dtype } = situation;
    const rank = halfRank(situation);
    const factorType = dtype === "f64" ? "f64" : "f32";
    const { left, right } = await loewner.lowRank(a, { rank, method: "svd", p: 1, factorType });
    const certificate = await loewner.certify(a, right, { p, rowWeights: s, ellipsoid, ...(withLeft && { left }) });
    // Without left it speaks of the projection.
    const projection = withLeft ? { left, e: 0 } : projectionOn(exact, right);
    return boundFaults(situation, certificate, residualOf(situation, projection.left, right, projection.e));
  };

export const residual: Check = async (situation) => {
  const { loewner, a, s, p, dtype } = situation;
  const rank = halfRank(situation);
  const factorType = dtype === "f64" ? "f64" : "f32";
  const { left, right } = await loewner.lowRank(a, { rank, method: "svd", p: 1, factorType });
  const objective = await loewner.residual(a, { left, right }, { p, rowWeights: s });
  const products = new Float64Array(situation.exact.data.length);
  await loewner.multiply({ left, right }, (start, rows) => products.set(rows, start * right.cols));
  const rest = residualOf(situation, left, right);
  const faults = objectiveFaults(situation, objective, rest, true);
  products.forEach((x, at) => {
    const own = timesPower(situation.exact.data[at] - x, -rest.e);
    // The smallest step of the type: what is below it is rounding.
    const step = timesPower(dtype === "f64" ? 2 ** -1074 : 2 ** -149, -rest.e);
    const room = 16 * right.cols * (unitOf(situation) * rest.sizes[Math.floor(at / right.cols)] + step);
    if (!(Math.abs(own - rest.data[at]) <= room)) faults.push(`product ${at} is ${x}`);
  });
  return faults;
};

export const singularValues: Check = async (situation) => {
  const { loewner, a, s, p, exact } = situation;
  if (p !== 2) return [];
  const values = await loewner.singularValues(a, { rowWeights: s });
  const faults = outside("values", values, 0, Infinity);
  for (let i = 1; i < values.length; ++i) if (values[i] > values[i - 1]) faults.push("not descending");
  const weights = s && Float64Array.from(exact.data, (_, at) => s[Math.floor(at / exact.cols)]);
  const all = logNorm(exact.data, 2, weights);
  // Squares vanish beside that of the largest entry, whether or not it counts.
  const unseen = logNorm(exact.data, Infinity) + Math.log(2 ** -480) + (s ? 0.5 * Math.log(Math.max(...s)) : 0);
  const own = logNorm(values, 2);
  if (all > Math.log(2 ** -1020) && all > unseen && !(Math.abs(Math.exp(own - all) - 1) < 1e-5))
    faults.push(`values have norm e^${own}, A e^${all}`);
  return faults;
};

export const quantise =
  (bits: 8 | 4 | 3 | 2, withRight: boolean): Check =>
  async (situation) => {
    const { loewner, a, s, p, exact } = situation;
    const rank = halfRank(situation);
    const right = withRight
      ? (await loewner.lowRank(a, { rank, method: "svd", p: 1, factorType: "f32" })).right
      : undefined;
    const { left, right: codedRight, objective } = await loewner.quantise(a, { bits, right, p, rowWeights: s });
    const decoded = { data: decodeRows(left, 0, exact.rows), rows: exact.rows, cols: left.cols };
    const other = codedRight
      ? { data: decodeRows(codedRight, 0, codedRight.rows), rows: codedRight.rows, cols: exact.cols }
      : {
          data: Float64Array.from({ length: exact.cols ** 2 }, (_, i) => Number(i % (exact.cols + 1) === 0)),
          rows: exact.cols,
          cols: exact.cols,
        };
    return [
      ...(decoded.data.every(Number.isFinite) ? [] : ["codes decode to no numbers"]),
      ...objectiveFaults(situation, objective, residualOf(situation, decoded, other)),
    ];
  };

/** Under a metric: A's own second moments, so that its scale does not matter. */
export const transformCode =
  (hasMetric: boolean): Check =>
  async (situation) => {
    const { loewner, a, s, p, exact } = situation;
    const { rows, cols } = exact;
    const top = exponentOf(exact.data.reduce((most, x) => Math.max(most, Math.abs(x)), 0));
    const unit = exact.data.map((x) => timesPower(x, -top));
    const moments = () =>
      Float64Array.from({ length: cols ** 2 }, (_, at) => {
        let sum = 0;
        for (let i = 0; i < rows; ++i) sum += unit[i * cols + Math.floor(at / cols)] * unit[i * cols + (at % cols)];
        return sum;
      });
    const metric = hasMetric && unit.some((x) => x !== 0) ? moments() : undefined;
    const { code, objective, error, metricError } = await loewner.transformCode(a, {
      ...{ bytes: 2 * rows * cols + 8 * rows + 2000, p, rowWeights: s, metric },
    });
    const decoded = { data: new TransformDecoder(code).rows(0, rows), rows, cols };
    return [
      ...([error, metricError].every((x) => x >= 0 && x < Infinity) ? [] : [`errors of ${error} and ${metricError}`]),
      ...decodedFaults(situation, decoded, objective),
    ];
  };

export const trellisCode =
  (byMoments: boolean): Check =>
  async (situation) => {
    const { loewner, a, p, exact } = situation;
    const { rows, cols } = exact;
    // Whatever multiplies: rows of a matrix that is not A.
    const inputs = Float64Array.from({ length: cols * cols }, (_, i) => ((i * 7919) % 17) - 8);
    const moments = Float64Array.from({ length: cols * cols }, (_, at) => {
      let sum = 0;
      for (let k = 0; k < cols; ++k) sum += inputs[k * cols + Math.floor(at / cols)] * inputs[k * cols + (at % cols)];
      return sum;
    });
    const { code, objective, error, outputError } = await loewner.trellisCode(a, {
      ...{ bits: 3, p },
      ...(byMoments && { moments }),
    });
    const decoded = { data: new TrellisDecoder(code).rows(0, rows), rows, cols };
    const faults = [error, outputError].every((x) => x >= 0 && x < 1e3) ? [] : [`errors ${error}, ${outputError}`];
    return [...faults, ...decodedFaults(situation, decoded, objective)];
  };

/** Decoded rows are f32, whatever the rows are. */
function decodedFaults(situation: Situation, decoded: Matrix<Float32Array>, objective: Objective): string[] {
  const { cols } = decoded;
  const identity = {
    data: Float64Array.from({ length: cols ** 2 }, (_, i) => Number(i % (cols + 1) === 0)),
    rows: cols,
    cols,
  };
  return [
    ...(decoded.data.every(Number.isFinite) ? [] : ["codes decode to no numbers"]),
    ...objectiveFaults({ ...situation, dtype: "f32" }, objective, residualOf(situation, decoded, identity)),
  ];
}

export const subspace: Check = async (situation) => {
  const { loewner, a, s, p, exact } = situation;
  if (p > 2) return [];
  const rank = halfRank(situation);
  const { basis, objective, distances } = await loewner.robustSubspace(a, { rank, p, rowWeights: s, restarts: 1 });
  const { cols: d } = exact;
  const right = { data: new Float64Array(rank * d), rows: rank, cols: d };
  for (let j = 0; j < d; ++j) for (let k = 0; k < rank; ++k) right.data[k * d + j] = basis.data[j * rank + k];
  const projection = projectionOn(exact, right);
  const rest = residualOf(situation, projection.left, right, projection.e);
  const faults = orthonormalFaults(right, 2 ** -50);
  for (let i = 0; i < exact.rows && faults.length === 0; ++i) {
    const own = Math.exp(logNorm(rest.data.subarray(i * d, (i + 1) * d), 2));
    const found = timesPower(distances[i], -rest.e);
    if (!(Math.abs(own - found) <= 1e-6 * own + 1e-13 * rest.sizes[i] + 1e-150 + timesPower(2 ** -1040, -rest.e)))
      faults.push(`distances[${i}] is ${found}, should be ${own}`);
  }
  if (timesPower(2 ** -1000, -rest.e) > 1) return faults;
  const log = logNorm(distances, p, s);
  const value = objective > 0 ? Math.log(objective) / p : -Infinity;
  const top = Math.max(log, value);
  if (p * top > Math.log(2 ** -1020) && Math.abs(Math.exp(log - top) - Math.exp(value - top)) > 1e-6)
    faults.push(`objective e^${p * value}, distances say e^${p * log}`);
  return faults;
};

export const entrywise =
  (method: "reweighting" | "splitting"): Check =>
  async (situation) => {
    const { loewner, a, s, p, dtype } = situation;
    if (p >= 4) return [];
    const rank = halfRank(situation);
    const options = { rank, p, rowWeights: s, method, maxIterations: 12, starts: 1 };
    const { left, right, objective, report } = await loewner.entrywiseLowRank(a, options);
    const rest = residualOf(situation, left, right);
    const faults = [
      ...orthonormalFaults(right, dtype === "f64" ? 2 ** -50 : 2 ** -24),
      ...objectiveFaults(situation, objective, rest),
    ];
    const svd = report.starts.find((x) => x.start === "svd");
    if (svd && !(objective.lp <= svd.projection * (1 + 1e-9)))
      faults.push(`${objective.lp} is worse than SVD's ${svd.projection}`);
    return faults;
  };
