// What the plots of a layer show: its singular values, and error against rank in l_2 and in l_p.
import type { Loewner, RowSource } from "loewner";
import { tailsOf } from "loewner/model/choices.js";
import type { Curves } from "./protocol.js";
import type { Run } from "./serve.js";
import type { Spectra } from "./spectra.js";

/**
 * The l_p curve comes from the ellipsoid |Mx|_2 that holds |Ax|_p: factors of rank k by Lewis weights err by at most
 * upper * sigma_{k+1}(M), so its shape is that of M's spectrum.
 * Cost: a spectrum, where it is not known yet, and Lewis weights: a few sweeps of rows * cols^2 multiply-adds.
 */
export async function curves(
  loewner: Loewner,
  spectra: Spectra,
  source: RowSource,
  p: number,
  { signal, onProgress }: Run,
): Promise<Curves> {
  const { rows, cols, name = "" } = source;
  const most = Math.min(rows, cols);
  const run = { signal, onProgress };
  await spectra.of(name, source, run);
  const singularValues = spectra.get(source)!.slice();
  // A tolerance as for the factors: two sweeps do.
  const { gram } = await loewner.lewisWeights(source, { ...run, p, tolerance: 0.05, maxIterations: 8 });
  const squares = await loewner.singularValues(gram, { signal });
  const lp = new Float64Array(most + 1);
  for (let k = 0; k < most; ++k) lp[k] = Math.sqrt(squares[k] / squares[0]);
  return {
    singularValues,
    lp,
    l2: tailsOf(singularValues).map(Math.sqrt),
    sharePerRank: (rows + cols) / (rows * cols),
  };
}
