// The encoder's loop of assembly/trellis.ts in plain C, left to the compiler's vectoriser: rows of n entries, once around and the way
// back, path metrics of 16 bits. Entries and values are whole units already, every value near enough to every entry.
//
//   trellis BITS WINDOWBITS N ROWS RUNS      prints the least processor seconds of RUNS
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline uint16_t added(uint16_t a, uint16_t b) {
  uint16_t sum = a + b;
  return sum < a ? 0xffff : sum;
}

// One for each number of bits, so that the compiler knows it. What windows share is written out first: the loop over them has vectors then.
#define STEP(BITS)                                                                                                 \
  static void step##BITS(uint16_t *restrict next, const uint16_t *restrict m, const int16_t *restrict table,       \
                         uint16_t *restrict wide, int16_t x, unsigned states) {                                    \
    for (unsigned p = 0; p < states; ++p)                                                                          \
      for (unsigned k = 0; k < 1u << BITS; ++k) wide[(p << BITS) + k] = m[p];                                      \
    for (unsigned u = 0; u < states; ++u) next[u] = 0xffff;                                                        \
    for (unsigned t = 0; t < 1u << BITS; ++t) {                                                                    \
      const int16_t *y = table + t * states;                                                                       \
      const uint16_t *before = wide + t * states;                                                                  \
      for (unsigned u = 0; u < states; ++u) {                                                                      \
        uint16_t r = x - y[u], sum = added(before[u], (uint16_t)(r * r));                                          \
        next[u] = sum < next[u] ? sum : next[u];                                                                   \
      }                                                                                                            \
    }                                                                                                              \
  }
STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7) STEP(8)

typedef void Step(uint16_t *restrict, const uint16_t *restrict, const int16_t *restrict, uint16_t *restrict, int16_t, unsigned);
static Step *const steps[] = {step1, step2, step3, step4, step5, step6, step7, step8};

static uint32_t drawn = 1;
static int draw(int most) { return (int)((drawn = drawn * 1664525u + 1013904223u) >> 16) % (2 * most) - most; }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  unsigned bits = atoi(argv[1]), window = atoi(argv[2]), n = atoi(argv[3]), rows = atoi(argv[4]), runs = atoi(argv[5]);
  unsigned states = 1u << (window - bits), early = n / 4 < 64 ? n / 4 : 64;
  int16_t *table = malloc(2u << window), *x = malloc(2 * n * rows);
  uint16_t *m = malloc(2ul * states * (n + early + 1)), *wide = malloc(2u << window), sink = 0;
  uint32_t *takenOff = malloc(4 * (n + early + 1));
  uint8_t *codes = malloc(n);
  for (unsigned w = 0; w < 1u << window; ++w) table[w] = draw(120);
  for (unsigned i = 0; i < n * rows; ++i) x[i] = draw(120);
  double least = 1e30;
  for (unsigned run = 0; run < runs; ++run) {
    double start = now();
    for (unsigned row = 0; row < rows; ++row) {
      const int16_t *entries = x + row * n;
      for (unsigned u = 0; u < states; ++u) m[u] = 0;
      for (unsigned i = 0; i < n + early; ++i) {
        uint16_t *next = m + (size_t)states * (i + 1), off = 0xffff;
        steps[bits - 1](next, m + (size_t)states * i, table, wide, entries[(i + n - early) % n], states);
        takenOff[i + 1] = 0;
        if (bits < 4 && (i + 1) % (16 >> bits)) continue;
        for (unsigned u = 0; u < states; ++u) off = next[u] < off ? next[u] : off;
        for (unsigned u = 0; u < states; ++u) next[u] -= off;
        takenOff[i + 1] = off;
      }
      const uint16_t *at = m + (size_t)states * (n + early);
      unsigned u = 0;
      for (unsigned k = 1; k < states; ++k) u = at[k] < at[u] ? k : u;
      for (unsigned i = n + early; i > early; --i, at -= states) {
        unsigned whole = at[u] + takenOff[i], w = u;
        for (;; w += states) {
          uint16_t r = entries[(i - 1 + n - early) % n] - table[w];
          if (w >> window || added((at - states)[w >> bits], (uint16_t)(r * r)) == whole) break;
        }
        codes[i - 1 - early] = w;
        u = w >> bits;
      }
      sink += codes[row % n];
    }
    double seconds = now() - start;
    least = seconds < least ? seconds : least;
  }
  printf("%.9f\n", least);
  return sink == 0xabcd ? 3 : 0;
}
