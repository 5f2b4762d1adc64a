#!/usr/bin/env python3
"""Reference values of the paired bootstrap (src/study/statistics.h), by NumPy alone.

Writes bootstrap/reference.json: row scores of two methods on tasks of different sizes (choices: 0 or 1, and texts:
fractions), and for fixed sets of resampled seeds and rows the statistic of each resample, the interval and p.
"""
import json
import pathlib

import numpy as np

rng = np.random.default_rng(20260101)


def statistic(differences, seeds, rows):
    """Mean over tasks of the mean over resampled seeds and rows; seeds and rows are crossed."""
    return float(np.mean([d[np.ix_(seeds, r)].mean() for d, r in zip(differences, rows)]))


def case(seeds, sizes, resamples, shift):
    a, b = [], []
    for t, n in enumerate(sizes):
        if t % 2 == 0:
            level = rng.uniform(0.3, 0.7, size=n)
            a.append((rng.uniform(size=(seeds, n)) < level + shift).astype(float))
            b.append((rng.uniform(size=(seeds, n)) < level).astype(float))
        else:
            a.append(np.clip(rng.uniform(size=(seeds, n)) + shift, 0, 1))
            b.append(rng.uniform(size=(seeds, n)))
    differences = [x - y for x, y in zip(a, b)]
    draws, values = [], []
    for _ in range(resamples):
        s = rng.integers(seeds, size=seeds)
        r = [rng.integers(n, size=n) for n in sizes]
        draws.append({"seeds": s.tolist(), "rows": [x.tolist() for x in r]})
        values.append(statistic(differences, s, r))
    values = np.array(values)
    low, high = np.percentile(values, [2.5, 97.5])
    below, above = int((values <= 0).sum()), int((values >= 0).sum())
    return {
        "a": [x.tolist() for x in a],
        "b": [x.tolist() for x in b],
        "difference": statistic(differences, np.arange(seeds), [np.arange(n) for n in sizes]),
        "resamples": draws,
        "statistics": values.tolist(),
        "low": float(low),
        "high": float(high),
        "p": min(1.0, 2 * (min(below, above) + 1) / (resamples + 1)),
    }


cases = [case(3, [7, 12, 5], 40, 0.15), case(1, [9], 33, 0.0), case(2, [4, 6], 25, -0.1)]
spreads = [{"values": v, "mean": float(np.mean(v)), "deviation": float(np.std(v, ddof=1))}
           for v in ([0.9375, 0.875, 0.95625], [1.0, 1.0], [312.4, 298.1, 305.7, 310.0])]
out = pathlib.Path(__file__).parent / "bootstrap" / "reference.json"
out.parent.mkdir(exist_ok=True)
out.write_text(json.dumps({"cases": cases, "spreads": spreads}) + "\n")
