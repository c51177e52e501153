// Level sets, smallest and largest ellipsoids: what must be so of every answer.
import { directions, logEnergy, logNorm, scaledForm, times } from "./numbers.js";
import { outside, sandwichFaults, sum, type Check } from "./situation.js";

export const levelSet: Check = async (situation) => {
  const { loewner, a, s, p, scaled, exact } = situation;
  const result = await loewner.levelSetEllipsoid(a, { p, rowWeights: s, maxIterations: 3, directions: 16 });
  const { H, factor, contacts, certificate, rank, basis } = result;
  const faults: string[] = [];
  const M = { ...H, data: H.data.map((x) => x / factor) };
  faults.push(...sandwichFaults(situation, M, certificate));
  const form = scaledForm(H, scaled.exponents);
  for (const z of directions(scaled, 16)) {
    const norm = logNorm(times(scaled, z), p, s);
    const { log, error } = logEnergy(form, z);
    // x = z / |Az| is on L's boundary, which lies in {x'Hx <= factor}.
    if (log - 2 * norm > Math.log(factor) + Math.log1p(certificate.slack) + 1e-9 + error)
      faults.push(`L sticks out by e^${log - 2 * norm}`);
  }
  // Contacts lie in the row space, which far weights leave uncertain where the rank rule cuts it.
  for (let k = 0; k < (s && rank < exact.cols ? 0 : contacts.rows); ++k) {
    const z = contacts.data.slice(k * exact.cols, (k + 1) * exact.cols).map((x, j) => x * 2 ** scaled.exponents[j]);
    if (!z.every(Number.isFinite)) continue;
    const norm = logNorm(times(scaled, z), p, s);
    if (!(Math.abs(norm) < 1e-3 + 16 * certificate.slack)) faults.push(`contact ${k} has |Ax| = e^${norm}`);
    if (faults.length) break;
  }
  if (rank < exact.cols !== (basis !== undefined))
    faults.push(`rank ${rank} of ${exact.cols}, ${basis ? "a" : "no"} basis`);
  return faults;
};

export const minVolume =
  (freeCenter: boolean): Check =>
  async ({ loewner, a, exact, p }) => {
    if (p !== 2) return [];
    const { H, center, basis, weights, rank, contacts, converged } = await loewner.minVolumeEllipsoid(a, {
      freeCenter,
    });
    const faults = outside("weights", weights, 0, 1);
    if (Math.abs(sum(weights) - 1) > 1e-9) faults.push(`weights sum to ${sum(weights)}`);
    if (contacts.length < (rank > 0 ? (freeCenter ? Math.min(2, rank + 1) : rank) : 1))
      faults.push(`${contacts.length} contacts, rank ${rank}`);
    let top = 0;
    let isCancelled = false;
    for (let i = 0; i < exact.rows; ++i) {
      const x = Float64Array.from({ length: exact.cols }, (_, j) => exact.data[i * exact.cols + j] - center[j]);
      const y = basis
        ? Float64Array.from({ length: rank }, (_, k) => sum(x.map((v, j) => v * basis.data[j * rank + k])))
        : x;
      const { log, error } = logEnergy({ G: H.data, shift: 0 }, y);
      if (error < 1e-3) top = Math.max(top, Math.exp(log) * (1 - error));
      else isCancelled = true;
    }
    if (rank > 0 && !(top <= 1 + 1e-6)) faults.push(`a point at ${top}`);
    if (rank > 0 && converged && !isCancelled && !(top >= 0.9)) faults.push(`the farthest point is at ${top}`);
    return faults;
  };

export const john: Check = async ({ loewner, a, exact, p, scaled }) => {
  if (p !== Infinity) return [];
  const { H, weights, rank, contacts } = await loewner.johnEllipsoid(a);
  const faults = outside("weights", weights, 0, 1);
  if (Math.abs(sum(weights) - 1) > 1e-9) faults.push(`weights sum to ${sum(weights)}`);
  if (rank > 0 && contacts.length < rank) faults.push(`${contacts.length} contacts, rank ${rank}`);
  // {x'Hx <= 1} lies in the polytope: |Ax|_inf <= 1 there, so |Ax|_inf^2 <= x'Hx for every x.
  const form = scaledForm(H, scaled.exponents);
  for (const z of directions({ ...scaled, rows: exact.rows }, 16)) {
    const norm = logNorm(times(scaled, z), Infinity);
    const { log, error } = logEnergy(form, z);
    if (log > -Infinity && 2 * norm > log + 1e-6 + error)
      faults.push(`the ellipsoid sticks out by e^${2 * norm - log}`);
  }
  return faults;
};
