"""Ways to store a table, simulated: what each decodes to, and how many bytes it takes.

Codes are simulated by levels whose error is brought to what the product's coder leaves; everything else is computed as it would be
stored. Rows of a table are x_i, `weights` multiply their squares.
"""
import numpy as np
from scipy.stats import norm

# Errors of trellis codes on normal entries, windows of 10 bits, rows of 512 (src/code-tables.ts).
TRELLIS = [1, 0.274, 0.07224, 0.01929, 0.004904, 0.001329, 0.0003582, 0.00009391, 0.00002969]


def lloyd_max(bits):
    """Levels that err least on normal entries, and their error."""
    x = norm.ppf((np.arange(2**bits) + 0.5) / 2**bits) * np.sqrt(3)  # the density of fine levels
    for _ in range(200):
        t = np.concatenate([[-np.inf], (x[1:] + x[:-1]) / 2, [np.inf]])
        x = (norm.pdf(t[:-1]) - norm.pdf(t[1:])) / np.diff(norm.cdf(t))
    return x, 1 - float(np.sum(np.diff(norm.cdf(t)) * x * x))


LEVELS = {bits: lloyd_max(bits) for bits in range(1, 9)}


def nearest(y, bits):
    """The level nearest to each entry, by a table of fine steps."""
    levels, _ = LEVELS[bits]
    edges = (levels[1:] + levels[:-1]) / 2
    steps = 64 if bits < 6 else 512
    table = levels[np.searchsorted(edges, (np.arange(12 * steps) + 0.5) / steps - 6)].astype(np.float32)
    at = (y + 6) * steps
    np.clip(at, 0, 12 * steps - 1, out=at)
    return table[at.astype(np.int32)]


def quantised(x, bits, block=None, unbiased=False):
    """Rows in blocks with a searched scale each."""
    n, d = x.shape
    y = x.reshape(-1, block or d).astype(np.float32)
    scale = np.sqrt((y * y).mean(1, keepdims=True)) + 1e-20
    for _ in range(3):
        codes = nearest(y / scale, bits)
        scale = np.maximum((y * codes).sum(1, keepdims=True) / ((codes * codes).sum(1, keepdims=True) + 1e-20), 1e-20)
    kept = nearest(y / scale, bits) * scale
    if unbiased:
        gain = (y * y).sum(1, keepdims=True) / ((y * kept).sum(1, keepdims=True) + 1e-20)
        kept *= np.minimum(gain, 4 / 3)
    return kept.reshape(n, d).astype(np.float64)


def rotation(k, seed=0):
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((k, k)))
    return q * np.sign(np.diag(r))


def axes_of(x, weights=None):
    """Eigenvectors (columns) of the weighted second moments, largest first, and eigenvalues a row."""
    w = np.ones(len(x)) if weights is None else weights / weights.mean()
    values, vectors = np.linalg.eigh((x * w[:, None]).T.astype(np.float64) @ x / len(x))
    return np.maximum(values[::-1], 0), vectors[:, ::-1]


def dense(x, bits):
    n, d = x.shape
    return quantised(x, bits, 32, unbiased=False) if bits < 8 else int8(x), n * (d * bits / 8 + d / 16)


def int8(x):
    y = x.reshape(-1, 32)
    scale = np.abs(y).max(1, keepdims=True) / 127 + 1e-30
    return (np.round(y / scale) * scale).reshape(x.shape)


def low_rank(x, rank, weights=None):
    n, d = x.shape
    _, v = axes_of(x.astype(np.float64), weights)
    return x @ v[:, :rank] @ v[:, :rank].T, 4 * rank * (n + d)


def pair(x, rank, bits, weights=None, unbiased=False):
    """Low rank in few bits: left rotated, one scale a row."""
    n, d = x.shape
    _, v = axes_of(x.astype(np.float64), weights)
    right = (v[:, :rank] @ rotation(rank)).T
    right = int8(right)
    left = quantised(x @ np.linalg.pinv(right), bits, unbiased=unbiased)
    return left @ right, n * (rank * bits / 8 + 2) + rank * (d + 2)


def allocate(variances, n, d, budget, power=0.0, group=8, errors=TRELLIS):
    """Bits a component by reverse water-filling: the largest fall of variance^(1 - power) * errors a byte first.

    power 0 is least squared error. The right factor, d bytes and a scale a component, is charged to the first bit.
    """
    worth = np.maximum(variances, 1e-30) ** (1 - power)
    gains = []
    for at in range(0, d, group):
        part = worth[at : at + group].sum()
        # The lower hull of the error over bytes, so that steps may be taken by falling gain.
        size = [group * (n * b / 8 + (d + 2 if b else 0)) for b in range(9)]
        b = 0
        while b < 8:
            slopes = [(part * (errors[b] - errors[c]) / (size[c] - size[b]), c) for c in range(b + 1, 9)]
            slope, c = max(slopes)
            gains.append((slope, at, b, c, size[c] - size[b]))
            b = c
    bits = np.zeros(d, int)
    stopped = set()
    for slope, at, b, c, cost in sorted(gains, key=lambda g: -g[0]):
        if at in stopped or bits[at] != b:
            continue
        if cost > budget:
            stopped.add(at)
            continue
        budget -= cost
        bits[at : at + group] = c
    return bits


def transform(x, share, weights=None, power=0.0, exact=256, unbiased=False, moments=None, weighted_centre=True, seed=1):
    """Centre, axes, bits by component, coding error of trellis codes, exact rows.

    `moments`: rows that centre and axes are taken from (weights of an ellipsoid), where these are not `weights`.
    """
    n, d = x.shape
    x = x.astype(np.float64)
    w = np.ones(n) if weights is None else weights / weights.mean()
    m = w if moments is None else moments
    mu = (m[:, None] * x).sum(0) / m.sum()
    centred = x - mu
    values, v = axes_of(centred, m)
    budget = share * 4 * n * d - n - 4 * d - 1024 - exact * (d + 6)
    bits = allocate(values, n, d, budget, power)
    y = centred @ v
    kept = bits > 0
    # A band's entries are brought to one size together, so that its noise is even over its axes.
    bands = [np.flatnonzero(bits == b) for b in sorted(set(bits[kept]))]
    spread = np.ones(d)
    for columns in bands:
        spread[columns] = np.sqrt(values[columns].mean())
    size = np.sqrt(((y / spread)[:, kept] ** 2).mean(1, keepdims=True))
    decoded = np.zeros_like(y)
    for columns in bands:
        b = bits[columns[0]]
        q = rotation(len(columns), seed + b)
        band = y[:, columns] @ q / (size * spread[columns[0]])
        codes = nearest(band, b)
        # The error's size is that of trellis codes.
        codes = band + (codes - band) * np.sqrt(TRELLIS[b] / LEVELS[b][1])
        decoded[:, columns] = (codes * size) @ q.T * spread[columns[0]]
    if unbiased:
        gain = (y * y)[:, kept].sum(1, keepdims=True) / ((y * decoded).sum(1, keepdims=True) + 1e-30)
        decoded *= np.clip(gain, 1, 4 / 3)
    out = decoded @ v.T + mu
    if exact:
        if weights is None:
            cost = (centred @ v[:, values > 1e-9 * values[0]] ** 1)
            cost = ((cost**2) / values[values > 1e-9 * values[0]]).sum(1)
        else:
            cost = ((out - x) ** 2).sum(1) * w
        rows = np.argsort(-cost)[:exact]
        out[rows] = x[rows] + (int8_row(x[rows] - out[rows]) - (x[rows] - out[rows]))
    return out, share * 4 * n * d, bits


def int8_row(x):
    scale = np.abs(x).max(1, keepdims=True) / 127 + 1e-30
    return np.round(x / scale) * scale


def lewis(x, p=1.0, sweeps=30):
    """Lewis weights w and the weights w^(1 - 2/p) of the ellipsoid's second moments."""
    w = np.maximum(np.linalg.norm(x, axis=1) ** p, 1e-30)
    for _ in range(sweeps):
        g = (x * (w ** (1 - 2 / p))[:, None]).T @ x
        q = np.einsum("ij,jk,ik->i", x, np.linalg.pinv(g), x)
        w = np.maximum(q, 1e-30) ** (p / 2)
    return w ** (1 - 2 / p)
