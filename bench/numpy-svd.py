"""
Singular value decompositions of a raw f32 file:

    python3 numpy-svd.py FILE ROWS COLS [KIND RANK]

KIND svd         numpy.linalg.svd(A, full_matrices=False), the default
     gram        A'A, numpy.linalg.eigh, A times the first RANK vectors: SVD's factors the cheap way
     randomized  sklearn.utils.extmath.randomized_svd(A, RANK), its defaults, seed 0
     version     no file is read: prints versions, and what computes

Prints seconds. Exits with 3 when a package is missing, and prints its name.
"""
import sys, time

kind = sys.argv[4] if len(sys.argv) > 4 else "svd"
try:
    package = "numpy"
    import numpy

    if kind in ("randomized", "version"):
        package = "scikit-learn"
        import sklearn
        from sklearn.utils.extmath import randomized_svd
except ImportError:
    print(package)
    sys.exit(3)

if kind == "version":
    blas = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    print(
        f"Python {sys.version.split()[0]}, numpy {numpy.__version__} ({blas['name']} {blas['version']}), scikit-learn {sklearn.__version__}"
    )
    sys.exit(0)

rows, cols = int(sys.argv[2]), int(sys.argv[3])
A = numpy.fromfile(sys.argv[1], dtype=numpy.float32).reshape(rows, cols)
rank = int(sys.argv[5]) if len(sys.argv) > 5 else cols


def gram():
    vectors = numpy.linalg.eigh(A.T @ A)[1][:, -rank:]
    return A @ vectors, vectors.T


jobs = {
    "svd": lambda: numpy.linalg.svd(A, full_matrices=False),
    "gram": gram,
    "randomized": lambda: randomized_svd(A, rank, random_state=0),
}
start = time.perf_counter()
jobs[kind]()
print(time.perf_counter() - start)
