"""numpy.linalg.svd(A, full_matrices=False) of a raw f32 file: python3 numpy-svd.py FILE ROWS COLS. Prints seconds."""
import sys, time
import numpy

A = numpy.fromfile(sys.argv[1], dtype=numpy.float32).reshape(int(sys.argv[2]), int(sys.argv[3]))
start = time.perf_counter()
numpy.linalg.svd(A, full_matrices=False)
print(time.perf_counter() - start)
