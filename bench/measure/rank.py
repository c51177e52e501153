"""How well measures of a table's error rank the ways to store it, by what score.py found.

usage: rank.py OUT MODEL...      prints one Markdown table for each model

rho, tau: rank correlations (Spearman, Kendall) with how far answers moved. inversion: how much further the answers moved by some way than
by another that the measure puts behind it. regret: of the way that the measure picks in some bytes, over the best way in as many.
"""
import json, os, sys
import numpy as np
from scipy.stats import kendalltau, spearmanr

sizes = (0.0375, 0.051, 0.055, 0.067, 0.0745, 0.08, 0.1, 0.11, 0.145, 0.3, 0.5, 0.72)
heads = ("mlm",)


def parts(way, rows="plain"):
    """Variance along each axis, and the error there: of what is kept, and of what is lost."""
    variance, error, gain = (np.array(way[rows][key]) for key in ("variance", "error", "gain"))
    lost = np.minimum((1 - gain) ** 2 * variance, error)
    return variance, error - lost, lost


def weighted(noise_power, lost_factor, lost_power=0.0):
    def measure(way):
        variance, noise, lost = parts(way)
        beside = np.maximum(variance, 1e-9 * variance.max()) / variance.mean()
        return float((noise * beside**noise_power + lost_factor * lost * beside**lost_power).sum() / variance.sum())

    return measure


def reading(way):
    variance, noise, lost = parts(way)
    beside = variance / variance.mean()
    return float((noise * beside + lost * np.maximum(2, beside)).sum() / variance.sum())


measures = {
    "squared error": weighted(0, 1),
    "each axis beside its variance": weighted(-1, 1, -1),
    "each axis beside the root of its variance": weighted(-0.5, 1, -0.5),
    "lost axes twice": weighted(0, 2),
    "lost axes four times": weighted(0, 4),
    "lost axes a third": weighted(0, 1 / 3),
    "each axis times its variance (heads)": weighted(1, 1, 1),
    "noise times variance, lost twice (tables)": reading,
    "squared error, rows by counts to the 1/4": lambda way: way["relative quarter"],
    "squared error, rows by counts in the texts": lambda way: way["relative used"],
}


def isPlain(key):
    """What a planner chooses from."""
    return key.startswith(("dense", "svd", "pair", "aimed")) and not key.endswith(("counts", "squares", "unbiased", "dense 8"))


def row(name, measure, ways):
    values, change, share = (np.array([of(way) for way in ways]) for of in (measure, lambda w: w["change"], lambda w: w["share"]))
    order = np.argsort(values, kind="stable")
    inversion = (np.maximum.accumulate(change[order]) / change[order]).max()
    regrets = []
    for size in sizes:
        fit = np.flatnonzero(share <= size + 1e-4)
        if len(fit) > 1:
            regrets.append(change[fit[np.argmin(values[fit])]] / change[fit].min())
    rho, tau = spearmanr(values, change).statistic, kendalltau(values, change).statistic
    return f"| {name} | {rho:.3f} | {tau:.3f} | {inversion:.1f} | {np.mean(regrets):.2f} | {max(regrets):.2f} |"


for model in sys.argv[2:]:
    ways = json.load(open(os.path.join(sys.argv[1], f"{model}.json")))["ways"]
    chosen = {key: way for key, way in ways.items() if isPlain(key)}
    print(f"\n{model}: {len(chosen)} ways\n\n| measure | rho | tau | inversion | regret, mean | worst |\n| --- | --- | --- | --- | --- | --- |")
    for name, measure in measures.items():
        print(row(name, measure, list(chosen.values())))
