#!/usr/bin/env python3
"""compare.py X.npy [--labels L.npy] [--runs 3] [--threads 2] [PEER ...]: libne and its peers on one file, side by side.

Every fit is a process of its own, the programs take turns (A B C A B C ...), imports and reading do not count. Printed is
a table in Markdown: the least seconds of all runs, the largest peak of memory, and the quality of the last layout, scored
the same way for all: the exact Kullback-Leibler divergence to the affinity of perplexity 30 over 90 exact neighbors,
trustworthiness (first 5,000 rows) and, with labels, the vote of 15 neighbors.

PEER: libne, sklearnex, opentsne, opentsne-bh, sklearn (default: libne sklearnex). Perplexity 30 and a PCA start for all, 250 + 750
steps for the peers, libne's own default steps for libne.
needs: numpy, and for the peers scikit-learn, scikit-learn-intelex, openTSNE; libne as examples/python/ finds it.
"""
import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

PYTHON = pathlib.Path(__file__).resolve().parents[2] / "examples" / "python"
PHASES = ("seconds_knn", "seconds_affinity", "seconds_init", "seconds_optimize")


def fit_libne(x, threads, seed):
    import ne

    model = ne.Embedding("tsne", context=ne.Context(threads=threads), random_state=seed)

    def run():
        y = model.fit_transform(x)
        return y, {phase: model.result(phase) for phase in (*PHASES, "recall_measured")}

    return run


def fit_sklearn(x, threads, seed, patched=False):
    if patched:
        from sklearnex.manifold import TSNE
    else:
        from sklearn.manifold import TSNE
    model = TSNE(perplexity=30, init="pca", max_iter=1000, n_jobs=threads, random_state=seed)
    return lambda: (model.fit_transform(x), {})


def fit_opentsne(x, threads, seed, method="fft"):
    import openTSNE

    model = openTSNE.TSNE(perplexity=30, negative_gradient_method=method, n_jobs=threads, random_state=seed,
                          early_exaggeration_iter=250, n_iter=750)
    return lambda: (model.fit(x), {})


PEERS = {
    "libne": fit_libne,
    "sklearnex": lambda *a: fit_sklearn(*a, patched=True),
    "sklearn": fit_sklearn,
    "opentsne": fit_opentsne,
    "opentsne-bh": lambda *a: fit_opentsne(*a, method="bh"),
}


def one(peer, data, out, threads, seed):
    """In a process of its own: one fit, its cost as JSON."""
    import numpy as np

    x = np.ascontiguousarray(np.load(data), np.float32)
    run = PEERS[peer](x, threads, seed)
    start = time.perf_counter()
    y, more = run()
    seconds = time.perf_counter() - start
    np.save(out, np.asarray(y, np.float32))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak": peak, **more}))


def score(x, y, labels, affinity):
    import ne

    result = {"KL": ne.kl(affinity, y, 1.0), "trust": ne.trustworthiness(x[:5000], y[:5000], 15)}
    if labels is not None:
        result["accuracy"] = ne.knn_accuracy(y, labels, 15)
    return result


def table(peers, costs, scores):
    columns = ["seconds", "peak MiB", *next(iter(scores.values()))]
    yield "| | " + " | ".join(columns) + " |"
    yield "| --- |" + " --- |" * len(columns)
    for peer in peers:
        least = min(cost["seconds"] for cost in costs[peer])
        peak = max(cost["peak"] for cost in costs[peer])
        cells = [f"{least:.2f}", f"{peak:.0f}", *(f"{value:.3f}" for value in scores[peer].values())]
        yield f"| {peer} | " + " | ".join(cells) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("x")
    parser.add_argument("peers", nargs="*", default=["libne", "sklearnex"])
    parser.add_argument("--labels")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", nargs=2, metavar=("OUT", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path.insert(0, str(PYTHON))
    if options.one:
        return one(options.peers[0], options.x, options.one[0], options.threads, int(options.one[1]))

    import tempfile

    import numpy as np
    import ne

    environment = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment[name] = str(options.threads)
    x = np.ascontiguousarray(np.load(options.x), np.float32)
    labels = None if options.labels is None else np.load(options.labels).astype(np.int64)
    affinity = ne.Affinity("entropic", perplexity=30, knn="exact").compute(x)
    costs, scores = {peer: [] for peer in options.peers}, {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(options.runs):
            for peer in options.peers:
                out = os.path.join(folder, f"{peer}.npy")
                command = [sys.executable, __file__, options.x, peer, "--threads", str(options.threads), "--one", out, str(turn)]
                done = subprocess.run(command, env=environment, capture_output=True, text=True)
                if done.returncode:
                    sys.exit(f"{peer}: {done.stderr.strip().splitlines()[-1]}")
                costs[peer].append(json.loads(done.stdout.splitlines()[-1]))
                scores[peer] = score(x, np.load(out), labels, affinity)
                print(f"{peer}, run {turn + 1}: {costs[peer][-1]}", file=sys.stderr)
    print(f"{x.shape[0]:,} x {x.shape[1]}, {options.threads} threads, best of {options.runs} runs in turn\n")
    print("\n".join(table(options.peers, costs, scores)))


main()
