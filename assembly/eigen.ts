export function eigenWorkBytes(n: u32): usize { return <usize>n * 8; }
// cyclic Jacobi: stopgap
export function eigen(A: usize, w: usize, n: u32, work: usize, vectors: i32): i32 {
  const V = memory.size() << 16; memory.grow(<i32>((<usize>n * n * 8 + 65535) >> 16));
  for (let i: u32 = 0; i < n; ++i) for (let j: u32 = 0; j < n; ++j) store<f64>(V + ((<usize>i * n + j) << 3), i == j ? 1 : 0);
  for (let sweep = 0; sweep < 30; ++sweep) {
    let rotated = false;
    for (let p: u32 = 0; p + 1 < n; ++p) for (let q = p + 1; q < n; ++q) {
      const pq = load<f64>(A + ((<usize>p * n + q) << 3)), pp = load<f64>(A + ((<usize>p * n + p) << 3)), qq = load<f64>(A + ((<usize>q * n + q) << 3));
      if (abs(pq) <= 1e-16 * sqrt(abs(pp * qq)) || pq == 0) continue;
      rotated = true;
      const th = (qq - pp) / (2 * pq);
      const t = (th >= 0 ? 1.0 : -1.0) / (abs(th) + sqrt(th * th + 1));
      const c = 1 / sqrt(t * t + 1), s = t * c;
      for (let k: u32 = 0; k < n; ++k) { const a = A + ((<usize>k * n) << 3); const x = load<f64>(a + (<usize>p << 3)), y = load<f64>(a + (<usize>q << 3)); store<f64>(a + (<usize>p << 3), c * x - s * y); store<f64>(a + (<usize>q << 3), s * x + c * y); }
      for (let k: u32 = 0; k < n; ++k) { const a = A + ((<usize>p * n + k) << 3), b = A + ((<usize>q * n + k) << 3); const x = load<f64>(a), y = load<f64>(b); store<f64>(a, c * x - s * y); store<f64>(b, s * x + c * y);
        const e = V + ((<usize>p * n + k) << 3), f = V + ((<usize>q * n + k) << 3); const u = load<f64>(e), v = load<f64>(f); store<f64>(e, c * u - s * v); store<f64>(f, s * u + c * v); }
    }
    if (!rotated) break;
  }
  for (let i: u32 = 0; i < n; ++i) store<f64>(w + (<usize>i << 3), load<f64>(A + ((<usize>i * n + i) << 3)));
  memory.copy(A, V, <usize>n * n * 8);
  for (let i: u32 = 0; i < n; ++i) { let m = i; for (let j = i + 1; j < n; ++j) if (load<f64>(w + (<usize>j << 3)) > load<f64>(w + (<usize>m << 3))) m = j;
    if (m != i) { const x = load<f64>(w + (<usize>i << 3)); store<f64>(w + (<usize>i << 3), load<f64>(w + (<usize>m << 3))); store<f64>(w + (<usize>m << 3), x);
      for (let k: u32 = 0; k < n; ++k) { const a = A + ((<usize>i * n + k) << 3), b = A + ((<usize>m * n + k) << 3); const u = load<f64>(a); store<f64>(a, load<f64>(b)); store<f64>(b, u); } } }
  return 0;
}
