// Matrices that break numerical code, through every primitive: no answer that is wrong, NaN or infinite, no error that does not say
// what to do. `node scripts/torture.mjs` tries every combination of type, weights and p; here a share of them, another for each pair
// of matrix and primitive.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLoewner, type Loewner } from "../../src/index.js";
import { checks } from "./checks.js";
import { found } from "./found.js";
import { wideTortures } from "./matrices.js";
import { inputs, torture, type Input } from "./run.js";

/** Every how many-th combination is tried. */
const step = Number(process.env.LOEWNER_TORTURE_STEP ?? 180);

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const nameOf = ({ primitive, p, matrix, dtype, weights }: Input) =>
  `${primitive}, p = ${p}, ${matrix}, ${dtype}, weights: ${weights}`;

/** Where an answer may leave the range of f64, or of f32 for its factors: an error is right there, and must say so. */
function mayRefuse({ matrix, weights, primitive }: Input): boolean {
  if (matrix in wideTortures || /^1e-?(300|250)/.test(weights)) return true;
  return (
    /huge|largest|smallest|1e-?3[68]|denormal|tiny/.test(matrix) &&
    /lowRank|quantise|transformCode|trellisCode|certify|residual|entrywise/.test(primitive)
  );
}

/** What an error has to say: what was found, and what to do. */
const advice = /[Mm]ultiply|take "f64"|Bring (the|rows)|Make it 0|Scale rowWeights|larger|nearer/;

async function faultsOf(input: Input): Promise<string[]> {
  const result = await torture(loewner, input);
  if (!result) return [];
  const { faults, refused } = result;
  if (refused === undefined) return faults.map((fault) => `${nameOf(input)}: ${fault}`);
  if (!mayRefuse(input)) faults.push(`refused: ${refused}`);
  else if (!advice.test(refused)) faults.push(`refused without advice: ${refused}`);
  return faults.map((fault) => `${nameOf(input)}: ${fault}`);
}

const shares = new Map<string, Input[]>(Object.keys(checks).map((name) => [name, []]));
for (const input of inputs(step)) shares.get(input.primitive)!.push(input);

describe("every primitive on every matrix", () => {
  test.each([...shares])(
    "%s",
    async (_, share) => {
      const faults: string[] = [];
      for (const input of share) faults.push(...(await faultsOf(input)));
      expect(faults).toEqual([]);
    },
    7200_000,
  );
});

test.each(found.map((input) => [nameOf(input), input] as const))(
  "an input that was once computed wrongly is right: %s",
  async (_, input) => {
    expect(await faultsOf(input)).toEqual([]);
  },
);
