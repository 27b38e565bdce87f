"""The scores of the benchmark, the same for every program's layout: libne's own, which are exact, and a second
computation of the Kullback-Leibler divergence by numpy alone, in double precision, to hold libne's against.

    KL         sum p log(p / q) in nats, p the affinity of perplexity 30 over 90 exact neighbors, q over all pairs
    trust      trustworthiness, 15 neighbors, among 5,000 rows drawn once
    kept       share of the 15 nearest rows in x that are among the 15 nearest in y
    accuracy   share of rows whose label wins the vote of the 15 nearest rows in y
"""
import numpy as np

PERPLEXITY, NEIGHBORS, K, ROWS = 30, 90, 15, 5000


def exact(x, order):
    """The exact neighbors of x, in a file, since every layout is judged by them."""
    import ne

    graph = ne.Graph(ne.Context(threads=order["threads"]), n_neighbors=min(NEIGHBORS, len(x) - 1), knn="exact").build(x)
    indices, distances = graph.neighbors()
    np.savez(order["options"]["exact"], indices=indices.astype(np.int64), distances=distances)
    return {}


def scores(x, order):
    """options: exact (see above), y, labels (paths), kl: whether that is wanted."""
    import ne

    options, context = order["options"], ne.Context(threads=order["threads"])
    known, y = np.load(options["exact"]), np.load(options["y"])
    if not np.isfinite(y).all():
        return {"KL": np.nan, "trust": np.nan, "kept": np.nan, "accuracy": np.nan}
    found = {}
    if options["kl"]:
        graph = ne.Graph.from_neighbors(known["indices"], known["distances"], context)
        affinity = ne.Affinity("entropic", context, perplexity=PERPLEXITY).compute(graph)
        found["KL"] = ne.kl(affinity, y, 1.0, context)
    rng = np.random.default_rng(0)
    rng.permutation(len(x))
    some = rng.permutation(len(x))[:ROWS]
    found["trust"] = ne.trustworthiness(x[some], y[some], K, context)
    near = ne.Graph(context, n_neighbors=K, knn="exact").build(y).neighbors()[0]
    first = np.arange(len(x))[:, None] * len(x)
    found["kept"] = float(np.isin((known["indices"][:, :K] + first).ravel(), (near + first).ravel()).mean())
    if options["labels"]:
        found["accuracy"] = ne.knn_accuracy(y, np.load(options["labels"]), K, context)
    return found


# --- The same divergence by numpy alone ------------------------------------------------------------------------------

def numpy_neighbors(x, k, block=512):
    """Squared distances, in double, and indices of the k nearest rows, among candidates by a product in float."""
    x, square = np.ascontiguousarray(x, np.float32), (x.astype(np.float64)**2).sum(1)
    distances, indices = np.empty((len(x), k)), np.empty((len(x), k), np.int64)
    for first in range(0, len(x), block):
        rows = x[first:first + block]
        around = square.astype(np.float32) - 2 * (rows @ x.T)
        around[np.arange(len(rows)), np.arange(first, first + len(rows))] = np.inf
        near = np.argpartition(around, k + 15, axis=1)[:, :k + 16]
        for i, candidates in enumerate(near):
            away = ((x[candidates].astype(np.float64) - rows[i])**2).sum(1)
            least = np.argsort(away)[:k]
            distances[first + i], indices[first + i] = away[least], candidates[least]
    return distances, indices


def numpy_affinity(distances, perplexity):
    """Rows of p by bisection of the bandwidth."""
    away, low = distances - distances[:, :1], np.zeros((len(distances), 1))
    high, beta = np.full_like(low, np.inf), 1 / np.maximum(distances.mean(1, keepdims=True), 1e-300)
    for _ in range(200):
        weight = np.exp(-away * beta)
        total = weight.sum(1, keepdims=True)
        entropy = np.log(total) + beta * (away * weight).sum(1, keepdims=True) / total
        flat = entropy > np.log(perplexity)
        low, high = np.where(flat, beta, low), np.where(flat, high, beta)
        beta = np.where(np.isinf(high), 2 * beta, (low + high) / 2)
    weight = np.exp(-away * beta)
    return weight / weight.sum(1, keepdims=True)


def kl_numpy(x, order):
    y = np.load(order["options"]["y"]).astype(np.float64)
    n = len(x)
    distances, indices = numpy_neighbors(x, min(NEIGHBORS, n - 1))
    directed = numpy_affinity(distances, PERPLEXITY).ravel() / (2 * n)
    row, col = np.repeat(np.arange(n), indices.shape[1]), indices.ravel()
    pair, place = np.unique(np.concatenate([row * n + col, col * n + row]), return_inverse=True)
    p = np.bincount(place.ravel(), np.concatenate([directed, directed]))
    q = 1 / (1 + ((y[pair // n] - y[pair % n])**2).sum(1))
    total = -float(n)
    for first in range(0, n, 256):
        apart = 1 + sum((y[first:first + 256, None, c] - y[None, :, c])**2 for c in range(y.shape[1]))
        total += (1 / apart).sum()
    used = p > 0
    return {"KL": float((p[used] * np.log(p[used] / (q[used] / total))).sum())}


PROGRAMS = {"exact": exact, "scores": scores, "kl-numpy": kl_numpy}
