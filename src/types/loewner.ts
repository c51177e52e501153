import type { Floats, Matrix, MatrixLike, RowSource } from "../matrix.js";
import type { GramOptions, RunOptions, SingularValuesOptions, WeightedOptions } from "./common.js";
import type { EntrywiseOptions, EntrywiseResult } from "./entrywise.js";
import type {
  CoresetOptions,
  CoresetResult,
  CoresetStream,
  CoresetStreamOptions,
  SensitivityOptions,
  SensitivityResult,
} from "./coreset.js";
import type { LevelSetOptions, LevelSetResult } from "./level-set.js";
import type { LeverageResult, LewisOptions, LewisResult } from "./lewis.js";
import type {
  CertifyOptions,
  FactorPair,
  LowRankCertificate,
  LowRankFactorOptions,
  LowRankFactors,
  LowRankOptions,
  LowRankResult,
  Objective,
} from "./low-rank.js";
import type { JohnOptions, JohnResult, MinVolumeOptions, MinVolumeResult } from "./min-volume.js";
import type { QuantiseOptions, QuantiseResult } from "./quantise.js";
import type { SubspaceOptions, SubspaceResult } from "./subspace.js";
import type { TransformCodeOptions, TransformCodeResult } from "./transform-code.js";
import type { TrellisCodeOptions, TrellisCodeResult } from "./trellis-code.js";

/** Rows that several calls are about; any call takes them for a matrix. */
export interface OpenMatrix extends RowSource {
  /**
   * Threads that share the rows in every call, where these are many beside the columns or take much memory: calls on such matrices
   * run one at a time. 1: calls on this one and on others run side by side.
   */
  readonly threads: number;
  /** Frees what is kept, once the calls made before are over. Later calls are refused. */
  close(): void;
}

/**
 * What `createLoewner()` resolves to. Calls on one instance queue up, as many at a time as it has threads; `dispose()` frees its
 * memory.
 *
 * Factors and chosen rows are of the matrix's type: Float32Array of a Float32Array, Float64Array of a Float64Array; row sources of f16 and
 * bf16 give Float32Array. Scores, weights, spectra, ellipsoids and bases are sums over many rows, and Float64Array whatever the matrix is.
 */
export interface Loewner {
  /** Calls that may run side by side: the threads of this instance, 1 where there are none. */
  readonly threads: number;
  /**
   * Threads that would share the rows of a matrix of this shape in every call, as `open` says of the matrix that it opens; 1: calls
   * on such matrices run side by side.
   */
  threadsFor(shape: Pick<RowSource, "rows" | "cols" | "dtype">): number;
  /**
   * A matrix that several calls will be about: what one finds out (scales, spectrum, ellipsoid: a few cols x cols matrices) the
   * next ones use, with the same answers as before; and where a worker runs them, it keeps the rows. Close it afterwards. Nothing
   * is read or computed yet.
   */
  open(a: MatrixLike): OpenMatrix;
  leverageScores(a: MatrixLike, options?: WeightedOptions): Promise<LeverageResult>;
  lewisWeights(a: MatrixLike, options?: LewisOptions): Promise<LewisResult>;
  lowRank<T extends Floats>(
    a: Matrix<T>,
    options: LowRankFactorOptions & { factorType?: undefined },
  ): Promise<LowRankFactors<T>>;
  lowRank<T extends Floats>(
    a: Matrix<T>,
    options: LowRankOptions & { factorType?: undefined },
  ): Promise<LowRankResult<T>>;
  lowRank(a: MatrixLike, options: LowRankFactorOptions): Promise<LowRankFactors>;
  lowRank(a: MatrixLike, options: LowRankOptions): Promise<LowRankResult>;
  /** Singular values of diag(s)^(1/2) A, or of its rows less their mean, descending, cols of them. */
  singularValues(a: MatrixLike, options?: SingularValuesOptions): Promise<Float64Array>;
  /**
   * Gram matrix A' diag(s) A, cols x cols, symmetric, each product and sum in f64 whatever the type of A. Entries below 1e-308 are not
   * exact. Cost: rows * cols^2 / 2 multiply-adds, one sweep.
   * @throws {InvalidInputError} NaN or infinity in A (it names the place), or an entry of the answer above 1.8e308
   */
  gram(a: MatrixLike, options?: GramOptions): Promise<Matrix<Float64Array>>;
  /** Error of any factor pair; left may be a row source. */
  residual(a: MatrixLike, factors: FactorPair, options?: WeightedOptions & { p?: number }): Promise<Objective>;
  /** Certificate for any right factor with orthonormal rows: bound = upper * sigma_1(M (I - right' right)); with `left` that of A - left right. */
  certify(a: MatrixLike, right: Matrix, options?: CertifyOptions): Promise<LowRankCertificate>;
  /** left * right, handed to `sink` in row order a tile at a time; the tile is only valid during the call. */
  multiply(
    factors: FactorPair,
    sink: (start: number, rows: Float32Array | Float64Array) => void | Promise<void>,
    options?: RunOptions,
  ): Promise<void>;
  /** Smallest ellipsoid that holds the rows of `points` (free centre) or the rows and their negatives (centre 0). */
  minVolumeEllipsoid(points: MatrixLike, options?: MinVolumeOptions): Promise<MinVolumeResult>;
  /** Largest ellipsoid in {x : |a_i x| <= 1 for every row}. */
  johnEllipsoid(a: MatrixLike, options?: JohnOptions): Promise<JohnResult>;
  /**
   * The subspace through 0 of dimension `rank` with the least sum_i s_i dist(a_i, S)^p that reweighting finds (the problem is
   * not convex): Lerman, Maunu, arXiv 1406.6145. Cost: rows * cols * (cols / 2 + min(cols - rank, 2 rank)) multiply-adds a
   * sweep, and an eigen-decomposition of a cols x cols matrix.
   * @throws {InvalidInputError} when an option is out of range, or A holds NaN or infinity
   */
  robustSubspace(a: MatrixLike, options: SubspaceOptions): Promise<SubspaceResult>;
  /**
   * Least sum_ij s_i |A - left right|_ij^p over left (rows x rank) and right (rank x cols): a local minimum, never worse than
   * the projections by SVD and by Lewis weights. Cost: docs/entrywise.md; memory: rows * (cols + rank) numbers besides A.
   * @throws {InvalidInputError} rank, p, maxIterations, tolerance, starts or seed out of range; NaN or infinity in A
   */
  entrywiseLowRank<T extends Floats>(a: Matrix<T>, options: EntrywiseOptions): Promise<EntrywiseResult<T>>;
  entrywiseLowRank(a: MatrixLike, options: EntrywiseOptions): Promise<EntrywiseResult>;
  /**
   * A factor pair in few bits, or A itself: codes, a scale for each block of columns, and the error of what they decode to. With
   * `right` the left factor is A right', rotated at random, and never exists in floats. Cost: 2 rows * cols * rank multiply-adds
   * and a dozen short passes over rows * rank entries.
   * @throws {InvalidInputError} an option out of range, rows of right that are not orthonormal, NaN or infinity in A, or a largest entry outside of 2^-100 ... 2^100
   */
  quantise(a: MatrixLike, options: QuantiseOptions): Promise<QuantiseResult>;
  /**
   * A in the fewest bytes for its squared error: rows less their centre, in coordinates along their axes, each in as many bits as it is
   * worth, as paths of a trellis; the rows that this fits worst nearly exactly. `TransformDecoder` gives rows again. Cost: docs/codes.md.
   * @throws {InvalidInputError} an option out of range, too few bytes for centre and scales (it says the least), a maxError that 8 bits do not reach, NaN or infinity in A, or a largest entry outside of 2^-100 ... 2^100
   */
  transformCode(a: MatrixLike, options: TransformCodeOptions): Promise<TransformCodeResult>;
  /**
   * A matrix of flat spectrum, such as a fully connected layer's, its rows what inputs are multiplied with (outputs x inputs), in equally
   * many bits an entry: a fixed rotation, trellis codes, one scale a row; with second moments of the inputs by error feedback.
   * `TrellisDecoder` gives rows again. Cost: docs/trellis-code.md.
   * @throws {InvalidInputError} an option out of range, moments of another size, not finite or not positive definite, NaN or infinity in A, or a largest entry outside of 2^-100 ... 2^100
   */
  trellisCode(a: MatrixLike, options: TrellisCodeOptions): Promise<TrellisCodeResult>;
  /** Upper bounds of sup_x s_i |a_i x|^p / |Ax|_p^p, one a row. */
  sensitivities(a: MatrixLike, options?: SensitivityOptions): Promise<SensitivityResult>;
  /** A few rows with weights that estimate |Ax|_p^p without bias for every x, and how far they are off. */
  coreset<T extends Floats>(a: Matrix<T>, options: CoresetOptions): Promise<CoresetResult<T>>;
  coreset(a: MatrixLike, options: CoresetOptions): Promise<CoresetResult>;
  /** The same for rows that come in pieces, in memory that grows with the logarithm of their number. */
  coresetStream(options: CoresetStreamOptions): CoresetStream;
  /**
   * Loewner ellipsoid {x : x'Hx <= 1} of the level set {x : |Ax|_p <= 1}, p >= 1, with the factor that is proved.
   * Cost: climbs of n d each a step, hundreds of them; it is for small d (2 to about 50), and stays bounded for larger ones.
   */
  levelSetEllipsoid(a: MatrixLike, options?: LevelSetOptions): Promise<LevelSetResult>;
  dispose(): void;
}
