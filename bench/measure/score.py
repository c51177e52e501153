"""Scores every way to store a model's table by the model itself; results are kept in OUT/MODEL.json and taken up again.

usage: score.py MODELS_FOLDER MODEL OUT        MODEL: sst2, mlm, minilm or sst2-outliers

Each entry: bytes and share, the model's scores with the decoded table in place, and of the error of the table what measures are made
of: along the axes of the centred rows, variance, squared error, and gain (the slope of decoded over original).
"""
import json, os, re, subprocess, sys, tempfile
import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper
from scipy.stats import spearmanr
import ways

models, name, out = sys.argv[1:4]
threads = int(os.environ.get("THREADS", 1))
every = int(os.environ.get("EVERY", 1))  # of the pairs or examples
task = "sst2" if name == "sst2-outliers" else name
load = lambda f: np.load(os.path.join(models, task, f + ".npy"))
ids, mask, labels = load("input_ids"), load("attention_mask"), load("scores" if task == "minilm" else "labels")
half = len(labels)
labels = labels[::every]
ids, mask = (np.concatenate([x[:half][::every], x[half:][::every]]) for x in (ids, mask))
counts = load("token_counts").astype(np.float64)
model = onnx.load(os.path.join(models, name, "model.onnx"))
place = next(i for i in model.graph.initializer if len(i.dims) == 2 and i.dims[0] > 20000)
table = numpy_helper.to_array(place).astype(np.float64)
n, d = table.shape
counts = np.concatenate([counts, np.zeros(n - len(counts))])
used = np.bincount(ids[mask > 0].ravel(), minlength=n).astype(np.float64)


def answers(x):
    place.CopyFrom(numpy_helper.from_array(x.astype(np.float32), place.name))
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    length = mask.sum(1)
    order = np.argsort(length, kind="stable") if task == "minilm" else np.arange(len(ids))
    results = [None] * len(ids)
    for s in range(0, len(ids), 50):
        b = order[s : s + 50]
        width = int(length[b].max())
        m = mask[b, :width].astype(np.int64)
        feed = {"input_ids": ids[b, :width].astype(np.int64), "attention_mask": m, "token_type_ids": np.zeros_like(m)}
        h = session.run(None, {k: feed[k] for k in names})[0]
        if task == "minilm":
            h = h.astype(np.float64)
            v = (h * m[:, :, None]).sum(1) / m.sum(1, keepdims=True)
            h = v / np.linalg.norm(v, axis=1, keepdims=True)
        elif task == "mlm":
            h = [z[y[:width] != -100].astype(np.float64) for z, y in zip(h, labels[b])]
        for i, r in zip(b, h):
            results[i] = r
    return np.concatenate(results) if task == "mlm" else np.array(results, dtype=np.float64)


def logs(z):
    z = z - z.max(1, keepdims=True)
    return z - np.log(np.exp(z).sum(1, keepdims=True))


if task != "minilm":
    asked = labels if task == "sst2" else labels[labels != -100]


def score(v):
    """`loss` is the task's own; `change` is how far answers are from the original's: 1 - cosine, or divergence."""
    if task == "minilm":
        half = len(labels)
        rho = spearmanr((v[:half] * v[half:]).sum(1), labels).statistic
        c = (v * original).sum(1)
        return {"loss": 100 - 100 * float(rho), "change": float(1 - c.mean()), "worst": float(1 - c.min())}
    l = logs(v)
    p = np.exp(original)
    return {
        "loss": float(-l[np.arange(len(l)), asked].mean()),
        "accuracy": float((l.argmax(1) == asked).mean()),
        "change": float((p * (original - l)).sum(1).mean()),
    }


only_rows = len(sys.argv) > 4  # errors of rows alone
original = np.zeros((1, 2)) if only_rows else answers(table) if task == "minilm" else logs(answers(table))
moments = ways.lewis(table - np.median(table, axis=0)) if name == "sst2-outliers" else None
mu = table.mean(0) if moments is None else (moments[:, None] * table).sum(0) / moments.sum()
variances, axes = ways.axes_of(table - mu, moments)
centred = (table - mu) @ axes
raw = np.linalg.svd(table, compute_uv=False) ** 2 / n


def along(b, weights):
    w = weights / weights.mean()
    y = (b - mu) @ axes
    error = y - centred
    mean_y, mean_x = (w[:, None] * y).mean(0), (w[:, None] * centred).mean(0)
    v = (w[:, None] * (centred - mean_x) ** 2).mean(0)
    gain = (w[:, None] * (centred - mean_x) * (y - mean_y)).mean(0) / (v + 1e-30)
    return {"variance": v, "error": (w[:, None] * error**2).mean(0), "gain": gain, "shift": mean_y - mean_x}


def facts(b):
    rows = ((b - table) ** 2).sum(1)
    norms = (table**2).sum(1)
    result = {"relative": float(rows.sum() / norms.sum()), "worstUsed": float(np.sort((rows / norms)[used > 0])[-20:].mean())}
    result["rowMean"] = float((rows / norms).mean())
    for key, w in {"plain": np.ones(n), "quarter": (counts + 1) ** 0.25, "used": used}.items():
        result[key] = {k: np.round(x, 12).tolist() for k, x in along(b, w).items()}
        result["relative " + key] = float((w * rows).sum() / (w * norms).sum())
    return result


def product(share, weights=None, **options):
    """The product's own transform codes, decoded."""
    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, f) for f in ("table.f32", "out.f32", "weights.f64")]
        table.astype(np.float32).tofile(files[0])
        if weights is not None:
            weights.tofile(files[2])
        options = json.dumps({"bytes": int(share * 4 * n * d), **options})
        script = os.path.join(os.path.dirname(__file__), "codes.mjs")
        command = ["node", script, files[0], str(n), str(d), files[1], options] + files[2:] * (weights is not None)
        report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        made = np.fromfile(files[1], np.float32).reshape(n, d).astype(np.float64)
    return made, report["byteLength"], np.array(report["bits"]), report


def unbiased_axes(made):
    """Each axis enlarged until its slope over the original's is 1."""
    gain = np.array(along(made[0], np.ones(n))["gain"])
    y = (made[0] - mu) @ axes / np.clip(gain, 0.6, 1)
    return (y @ axes.T + mu,) + made[1:]


def candidates():
    w4 = (counts + 1) ** 0.25
    head = task == "mlm"
    for bits in (8, 4, 3, 2):
        yield f"dense {bits}", lambda: ways.dense(table, bits)
    for keep in (0.72, 0.5, 0.3, 0.15, 0.08):
        rank = int(keep * n * d / (n + d))
        yield f"svd {keep}", lambda: ways.low_rank(table, rank)
    yield "svd 0.3 counts", lambda: ways.low_rank(table, int(0.3 * n * d / (n + d)), w4)
    scale = d / 256
    for rank, bits in ((192, 4), (128, 4), (96, 4), (192, 3), (136, 3), (128, 3), (96, 3), (88, 3), (64, 3), (256, 2), (192, 2), (128, 2), (64, 8)):
        k = min(d, int(rank * scale))
        yield f"pair {k} x {bits}", lambda: ways.pair(table, k, bits, unbiased=head)
    for rank, bits in ((96, 4), (128, 3)):
        k = min(d, int(rank * scale))
        yield f"pair {k} x {bits} counts", lambda: ways.pair(table, k, bits, w4, unbiased=head)
    for share in (0.11, 0.072, 0.054, 0.036, 0.14, 0.025):
        for power in (0, -0.5, 0.5, -1)[: 4 if 0.03 < share < 0.12 else 1]:
            yield f"transform {share} power {power}", lambda: ways.transform(table, share, power=power, unbiased=head, moments=moments)
    for share in (0.072, 0.054, 0.036):
        for power in (0, 0.5):
            yield f"transform {share} power {power} counts", lambda: ways.transform(table, share, w4, power=power, unbiased=head)
        yield f"transform {share} no exact", lambda: ways.transform(table, share, exact=0, unbiased=head, moments=moments)
        other = "unbiased" if not head else "least squares"
        yield f"transform {share} {other}", lambda: ways.transform(table, share, unbiased=not head, moments=moments)
    scale = {"scale": "unbiased"} if head else {}
    robust = {"p": 1} if name == "sst2-outliers" else {}
    aim = {"aim": "comparing" if head else "reading"}
    for share in (0.072, 0.036, 0.11, 0.054, 0.14, 0.025, 0.2):
        yield f"aimed {share}", lambda: product(share, **scale, **robust, **aim)
        yield f"aimed {share} counts", lambda: product(share, w4, **scale, **robust, **aim)
        yield f"codes {share}", lambda: product(share, **scale, **robust)
        yield f"codes {share} counts", lambda: product(share, w4, **scale, **robust)
        if head:
            yield f"codes {share} least squares", lambda: product(share)
            yield f"aimed {share} least squares", lambda: product(share, **aim)
            yield f"aimed {share} axes unbiased", lambda: unbiased_axes(product(share, **aim))
    rng = np.random.default_rng(3)
    for size in (0.01, 0.03, 0.1):
        yield f"noise {size} even", lambda: (table + rng.standard_normal(table.shape) * np.sqrt(size * variances.mean()), 0)
        yield f"noise {size} white", lambda: (table + rng.standard_normal(table.shape) * np.sqrt(size * variances) @ axes.T, 0)
        yield f"shrunk {size}", lambda: (mu + (table - mu) * (1 - np.sqrt(size)), 0)


path = os.path.join(out, f"{name}.json")
done = json.load(open(path)) if os.path.exists(path) else {"rows": n, "cols": d, "variances": variances.tolist(), "raw": raw.tolist(), "original": None if only_rows else score(original), "ways": {}}
done["model"] = name
errors = os.path.join(out, f"{name}.rows")
os.makedirs(errors, exist_ok=True)
wanted = os.environ.get("ONLY", ".*").split(";")  # expressions, in the order of their turns
for key, make in ((k, m) for turn in wanted for k, m in candidates() if re.fullmatch(turn, k)):
    file = os.path.join(errors, f"{key}.npy")
    if os.path.exists(file) and (key in done["ways"] or only_rows):
        continue
    made = make()
    np.save(file, ((made[0] - table) ** 2).sum(1).astype(np.float32))
    if key in done["ways"] or only_rows:
        continue
    entry = {"share": made[1] / (4 * n * d), **score(answers(made[0])), **facts(made[0])}
    if len(made) > 2:
        entry["bits"] = made[2].tolist()
    if len(made) > 3:
        entry["predicted"] = made[3]["predictedError"]
    done["ways"][key] = entry
    json.dump(done, open(path + ".part", "w"))
    os.replace(path + ".part", path)
    print(name, key, round(entry["share"], 4), {k: round(entry[k], 5) for k in ("relative", "loss", "change")}, flush=True)
