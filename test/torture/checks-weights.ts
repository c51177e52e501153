// Leverage scores, Lewis weights, sensitivities, coresets: what must be so of every answer.
import { directions, logNorm, times } from "./numbers.js";
import { leverageError, outside, sandwichFaults, sum, type Check, type Situation } from "./situation.js";

/** Rows that count. */
const live = ({ scaled, s }: Situation) =>
  Array.from({ length: scaled.rows }, (_, i) => {
    const row = scaled.data.subarray(i * scaled.cols, (i + 1) * scaled.cols);
    return s?.[i] !== 0 && row.some((x) => x !== 0);
  });

export const leverage: Check = async (situation) => {
  const { loewner, a, s } = situation;
  const { scores, rank } = await loewner.leverageScores(a, { rowWeights: s });
  const { error, twin } = leverageError(situation);
  const faults = outside("scores", scores, 0, 1);
  if (!(Math.abs(sum(scores) - rank) <= error * rank)) faults.push(`scores sum to ${sum(scores)}, rank ${rank}`);
  live(situation).forEach(
    (x, i) => !x && !(scores[i] <= 1e-150) && faults.push(`row ${i} is nothing, and scores ${scores[i]}`),
  );
  if (rank !== twin.rank) {
    if (error < 1e-4 || rank > twin.rank) faults.push(`rank ${rank}, the twin's is ${twin.rank}`);
  } else if (error < 1e-2) {
    const own = new Float64Array(scores.length);
    twin.basis.data.forEach((u, at) => (own[Math.floor(at / twin.rank)] += u * u));
    scores.forEach((x, i) => Math.abs(x - own[i]) > error && faults.push(`scores[${i}] ${x}, the twin's ${own[i]}`));
  }
  return faults;
};

export const lewis: Check = async (situation) => {
  const { loewner, a, s, p } = situation;
  const { weights, gram, rank, certificate, converged } = await loewner.lewisWeights(a, { p, rowWeights: s });
  const faults = outside("weights", weights, 0, converged ? 1 + certificate.slack + 1e-5 : Infinity);
  if (converged && !(Math.abs(sum(weights) - rank) <= (certificate.slack + 1e-5) * rank))
    faults.push(`weights sum to ${sum(weights)}, rank ${rank}, slack ${certificate.slack}`);
  live(situation).forEach(
    (x, i) => !x && !(weights[i] <= 1e-150) && faults.push(`row ${i} is nothing, and weighs ${weights[i]}`),
  );
  faults.push(...sandwichFaults(situation, gram, certificate));
  return faults;
};

export const sensitivities: Check = async (situation) => {
  const { loewner, a, s, p, scaled } = situation;
  const { scores, total, rank } = await loewner.sensitivities(a, { p, rowWeights: s });
  const faults = outside("scores", scores, 0, 1);
  if (Math.abs(sum(scores) - total) > 1e-9 * (1 + total)) faults.push(`total ${total}, scores sum to ${sum(scores)}`);
  if (p === 2 && !(Math.abs(total - rank) <= leverageError(situation).error * rank))
    faults.push(`total ${total}, rank ${rank}`);
  const { error } = leverageError(situation);
  const whole = logNorm(
    scaled.data,
    2,
    s && Float64Array.from(scaled.data, (_, at) => s[Math.floor(at / scaled.cols)]),
  );
  for (const z of directions(scaled, 16)) {
    const y = times(scaled, z);
    const all = logNorm(y, p, s);
    // Directions that the rank rule takes for null, near enough.
    if (all === -Infinity || logNorm(y, 2, s) < whole + logNorm(z, 2) - Math.log(1e6)) continue;
    for (let i = 0; i < y.length; ++i) {
      const share = Math.exp(p * (logNorm([y[i]], p, s && [s[i]]) - all));
      if (share > scores[i] * (1 + 1e-6 + error) + 1e-12)
        faults.push(`scores[${i}] ${scores[i]}, but its share is ${share}`);
    }
    if (faults.length) break;
  }
  return faults;
};

export const coreset: Check = async (situation) => {
  const { loewner, a, s, p, exact } = situation;
  const size = Math.max(1, exact.rows >> 1);
  const result = await loewner.coreset(a, { p, size, rowWeights: s, seed: 5 });
  const { indices, weights, probabilities, expected, rows, realised } = result;
  const counted = live(situation);
  const faults = outside("probabilities", probabilities, 1e-300, 1);
  indices.forEach((i, k) => {
    if (!counted[i]) faults.push(`row ${i} is nothing, and was chosen`);
    if (!(weights[k] > 0)) faults.push(`weights[${k}] is ${weights[k]}`);
    for (let j = 0; j < exact.cols; ++j) {
      if (rows.data[k * exact.cols + j] !== exact.data[i * exact.cols + j]) faults.push(`row ${i} is not that of A`);
    }
  });
  if (expected > size * (1 + 1e-9)) faults.push(`${expected} rows expected, ${size} asked for`);
  if (Math.abs(indices.length - expected) > 1.001) faults.push(`${indices.length} rows, ${expected} expected`);
  const { measured, proved } = realised;
  const room = 1 + 1e-6;
  if (!(
    proved.lower <= measured.lower * room &&
    measured.upper <= proved.upper * room &&
    measured.lower <= measured.upper
  ))
    faults.push(`measured ${measured.lower} ... ${measured.upper}, proved ${proved.lower} ... ${proved.upper}`);
  return faults;
};
