"""Writes analysis/reference.json: what NumPy and SciPy say of small problems of src/analysis/.

  pip install numpy scipy
  python make_analysis.py

Products B A are formed whole here; the program never forms them. Matrices are lists of rows.
"""
import json
import pathlib

import numpy as np
import scipy.linalg

HERE = pathlib.Path(__file__).parent / "analysis"


def rows(x):
    return np.asarray(x).tolist()


def factors(rng):
    """Two adapters of one matrix (12 x 9, rank 3) that share a direction, as float32."""
    a1, a2 = (rng.normal(size=(3, 9)).astype(np.float32) for _ in range(2))
    b1, b2 = (rng.normal(size=(12, 3)).astype(np.float32) for _ in range(2))
    a2[0] = a1[0] * 2
    b2[:, 0] = b1[:, 0] + 0.01 * b2[:, 0]
    a1, a2, b1, b2 = (x.astype(float) for x in (a1, a2, b1, b2))
    x, y = b1 @ a1, b2 @ a2
    out = {"a1": rows(a1), "b1": rows(b1), "a2": rows(a2), "b2": rows(b2),
           "distance": np.linalg.norm(x - y), "norms": [np.linalg.norm(x), np.linalg.norm(y)],
           "cosine": np.sum(x * y) / np.linalg.norm(x) / np.linalg.norm(y), "singular": rows(np.linalg.svd(x)[1][:3])}
    out["truncated"] = []
    for alpha in (-0.25, 0.3, 0.5):
        u, s, vt = np.linalg.svd((1 - alpha) * x + alpha * y, full_matrices=False)
        out["truncated"].append({"alpha": alpha, "product": rows(u[:, :3] * s[:3] @ vt[:3]),
                                 "dropped": np.linalg.norm(s[3:]) / np.linalg.norm(s)})
    # SciPy lists the largest angle first.
    out["angles_input"] = rows(scipy.linalg.subspace_angles(a1.T, a2.T)[::-1])
    out["angles_output"] = rows(scipy.linalg.subspace_angles(b1, b2)[::-1])
    out["angles_unequal"] = rows(scipy.linalg.subspace_angles(b1, b2[:, :2])[::-1])
    return out


def hsic(k, l):
    """Song et al. 2012, equation 5, over all quadruples' closed form."""
    n = len(k)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))
    one = np.ones(n)
    return (np.trace(k @ l) + (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
            - 2 / (n - 2) * (one @ k @ l @ one)) / (n * (n - 3))


def cka(rng):
    x = rng.normal(size=(16, 6)) + 0.5
    y = np.tanh(x @ rng.normal(size=(6, 5))) + 0.3 * rng.normal(size=(16, 5))
    batches = [(0, 5), (5, 10), (10, 16)]
    kernel = lambda a, f, t: a[f:t] @ a[f:t].T
    mean = lambda a, b: sum((r[1] - r[0]) * hsic(kernel(a, *r), kernel(b, *r)) for r in batches)  # by rows
    return {"x": rows(x), "y": rows(y), "hsic": hsic(x @ x.T, y @ y.T),
            "batches": batches, "minibatch": mean(x, y) / np.sqrt(mean(x, x) * mean(y, y))}


def directions(rng):
    """A flat vector of one block, A (2,4) then B' (2,3), and a direction, normalised filter by filter."""
    values = rng.normal(size=14).astype(np.float32).astype(float)
    values[8], values[11] = 0, 0  # the first row of B: a filter of zeros
    direction = rng.normal(size=14)
    a, d = values[:8].reshape(2, 4), direction[:8].reshape(2, 4)
    b, e = values[8:].reshape(2, 3).T, direction[8:].reshape(2, 3).T
    scale = lambda w, g: g / np.linalg.norm(g, axis=1, keepdims=True) * np.linalg.norm(w, axis=1, keepdims=True)
    normalised = np.concatenate([scale(a, d).ravel(), scale(b, e).T.ravel()])
    return {"values": rows(values), "direction": rows(direction), "normalised": rows(normalised)}


def plane(rng):
    points = rng.normal(size=(3, 7)).astype(np.float32).astype(float)
    others = rng.normal(size=(5, 7)).astype(np.float32).astype(float)
    q, _ = np.linalg.qr((points[1:] - points[0]).T)
    q[:, 0] *= np.sign(q[:, 0] @ (points[1] - points[0]))
    q[:, 1] *= np.sign(q[:, 1] @ (points[2] - points[0]))
    at = (others - points[0]) @ q
    centred = others - others.mean(0)
    return {"points": rows(points), "others": rows(others), "coordinates": rows(at),
            "distances": rows(np.linalg.norm(others - points[0] - at @ q.T, axis=1)),
            "variance_share": np.sum((centred @ q) ** 2) / np.sum(centred ** 2),
            "corners": rows((points[1:] - points[0]) @ q)}


def hessian(rng):
    """log(sum exp(M w)) + 0.1 |w|^2 and its Hessian at w: the problem of the sharpness test."""
    m, w = rng.normal(size=(8, 10)), rng.normal(size=10) * 0.3
    p = np.exp(m @ w) / np.exp(m @ w).sum()
    h = m.T @ (np.diag(p) - np.outer(p, p)) @ m + 0.2 * np.eye(10)
    return {"m": rows(m), "w": rows(w), "hessian": rows(h), "trace": np.trace(h),
            "eigenvalues": rows(np.sort(np.linalg.eigvalsh(h))[::-1])}


def barriers():
    """Losses along a path and the barrier of Frankle et al.: the largest rise above the chord."""
    alpha = np.linspace(-0.25, 1.25, 21)
    loss = 0.5 + 0.3 * alpha + 0.7 * np.sin(np.pi * np.clip(alpha, 0, 1)) ** 2
    inside = (alpha >= 0) & (alpha <= 1)
    ends = np.interp([0, 1], alpha, loss)
    rise = loss - (ends[0] + alpha * (ends[1] - ends[0]))
    return {"alpha": rows(alpha), "loss": rows(loss), "barrier": max(0, rise[inside].max())}


def main():
    rng = np.random.default_rng(7)
    reference = {"factors": factors(rng), "cka": cka(rng), "directions": directions(rng), "plane": plane(rng),
                 "hessian": hessian(rng), "barrier": barriers()}
    HERE.mkdir(exist_ok=True)
    (HERE / "reference.json").write_text(json.dumps(reference) + "\n")


if __name__ == "__main__":
    main()
