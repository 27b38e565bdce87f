#!/usr/bin/env python3
"""methods.py [digits | fashion | X.npy]: libne's methods and other programs that have them, on one data set.

For each method libne and its peers fit the same rows with equally many neighbors and otherwise their own defaults, each
fit in a process of its own, in turn (A B C A B C ...). Printed is a table in Markdown: the least seconds of all runs
(imports and reading left out), how many times libne's that is, the largest peak of memory, and the quality of the last layout:
trustworthiness (15 neighbors, 5,000 rows drawn once) and, with labels, the vote of 15 neighbors.

sne, tsnekhorn and cosne go through all pairs at every step, so that only five steps are timed, and no quality is given; --full
runs them to the end. Programs that compile themselves (umap-learn, pacmap, trimap) fit twice, and the second time counts; the
others first fit 300 rows. cosne's rows are scaled to length 1, and TorchDR's tsnekhorn does not stop early.

digits is scikit-learn's (1,797 x 64), fashion the first 10,000 training images of Fashion-MNIST (--fashion tells where its
IDX files are; default where Debian's dataset-fashion-mnist puts them).
needs: numpy and libne as examples/python/ finds it; for the data scikit-learn; of the peers TorchDR, umap-learn, pacmap and
trimap those that are there: --python names further interpreters, with other packages, in which to look for them.
"""
import argparse
import gzip
import importlib.util
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

PYTHON = pathlib.Path(__file__).resolve().parents[2] / "examples" / "python"
FASHION = "/usr/share/datasets/fashion-mnist"
FEW = 5  # steps, of methods that go through all pairs

# method: options of libne, {module: (class, its options)}, 1 where only FEW steps are timed
PERPLEXITY, NEIGHBORS = {"perplexity": 30}, {"n_neighbors": 15}
METHODS = {
    "tsne": (PERPLEXITY, {"torchdr": ("TSNE", PERPLEXITY)}, 0),
    "infotsne": (PERPLEXITY, {"torchdr": ("InfoTSNE", PERPLEXITY)}, 0),
    "largevis": (PERPLEXITY, {"torchdr": ("LargeVis", PERPLEXITY)}, 0),
    "umap": (NEIGHBORS, {"torchdr": ("UMAP", NEIGHBORS), "umap": ("UMAP", NEIGHBORS)}, 0),
    "pacmap": ({"n_neighbors": 10}, {"torchdr": ("PACMAP", {"n_neighbors": 10}), "pacmap": ("PaCMAP", {"n_neighbors": 10})}, 0),
    "localmap": ({"n_neighbors": 10}, {"pacmap": ("LocalMAP", {"n_neighbors": 10})}, 0),
    "trimap": ({"n_inliers": 12}, {"trimap": ("TRIMAP", {"n_inliers": 12, "verbose": False})}, 0),
    "sne": (PERPLEXITY, {"torchdr": ("SNE", PERPLEXITY)}, 1),
    "tsnekhorn": (PERPLEXITY, {"torchdr": ("TSNEkhorn", {**PERPLEXITY, "min_grad_norm": 0})}, 1),
    "cosne": (PERPLEXITY, {"torchdr": ("COSNE", PERPLEXITY)}, 1),
}
PACKAGES = {"torchdr": "torchdr==0.5", "umap": "umap-learn", "pacmap": "pacmap", "trimap": "trimap"}
COMPILED = ("umap", "pacmap", "trimap")


# --- One fit, in a process of its own --------------------------------------------------------------------------------

def fit_libne(method, options, seed, threads):
    sys.path.insert(0, str(PYTHON))
    import ne

    model = ne.Embedding(method, context=ne.Context(threads=threads), random_state=seed, **options)
    return lambda x: (model.fit_transform(x), model.result("n_iter"))


def fit_torchdr(kind, options, seed, threads):
    import torch
    import torchdr

    torch.set_num_threads(threads)
    options = {"device": "cpu", "random_state": seed, **options}
    if importlib.util.find_spec("faiss") is None:
        options["backend"] = None  # exact pairs, in memory

    def run(x):
        model = getattr(torchdr, kind)(**options)
        y = model.fit_transform(x)
        return y, int(model.n_iter_) + 1

    return run


def fit_compiled(module, kind, options, threads):
    """Without a seed: with one, some of them use one thread only."""
    maker = getattr(importlib.import_module(module), kind)
    if module == "umap":
        options = {"n_jobs": threads, **options}
    return lambda x: (maker(**options).fit_transform(x), None)


def one(order):
    """What the parent process wrote: {program, method, kind, options, data, out, seed, threads}."""
    x = np.load(order["data"])
    program, options = order["program"], order["options"]
    if program == "libne":
        run = fit_libne(order["method"], options, order["seed"], order["threads"])
    elif program == "torchdr":
        run = fit_torchdr(order["kind"], options, order["seed"], order["threads"])
    else:
        run = fit_compiled(program, order["kind"], options, order["threads"])
    run(x if program in COMPILED else x[:300])
    start = time.perf_counter()
    y, steps = run(x)
    seconds = time.perf_counter() - start
    np.save(order["out"], np.asarray(y, np.float32))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "steps": steps, "peak": peak}))


# --- Data and scores ---------------------------------------------------------------------------------------------------

def idx(path, header):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


def load(name, labels, folder):
    if name == "digits":
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
    elif name == "fashion":
        files = {key: sorted(pathlib.Path(folder).glob(f"train-{key}*")) for key in ("images", "labels")}
        if not all(files.values()):
            sys.exit(f"methods.py: no train-images and train-labels files in {folder}; --fashion DIR tells where they are")
        x = idx(files["images"][0], 16).reshape(-1, 784)[:10000]
        y = idx(files["labels"][0], 8)[:10000]
    else:
        x, y = np.load(name), None if labels is None else np.load(labels)
    return np.ascontiguousarray(x, np.float32), None if y is None else np.asarray(y).astype(np.int64)


def scores(x, labels, y):
    import ne

    if not np.isfinite(y).all():
        return {"trust": np.nan, "accuracy": np.nan}
    some = np.sort(np.random.default_rng(0).permutation(len(x))[:5000])
    found = {"trust": ne.trustworthiness(x[some], y[some], 15)}
    if labels is not None:
        found["accuracy"] = ne.knn_accuracy(y, labels, 15)
    return found


# --- Peers in turn -----------------------------------------------------------------------------------------------------

def find_interpreters(modules, candidates):
    """For each module the first interpreter that has it."""
    found = {}
    for module in modules:
        test = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
        for python in candidates:
            if subprocess.run([python, "-c", test], capture_output=True).returncode == 0:
                found[module] = python
                break
        else:
            print(f"{module}: not there, its rows are left out (pip install {PACKAGES[module]}, or --python INTERPRETER)",
                  file=sys.stderr)
    return found


def cost_of(order, python, limit):
    """The cost of one fit as a dict, or the reason why there is none as text."""
    environment = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        environment[name] = str(order["threads"])
    try:
        done = subprocess.run([python, __file__, "--one", json.dumps(order)], env=environment, capture_output=True,
                              text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return f"more than {limit:.0f} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
    return json.loads(done.stdout.splitlines()[-1])


def compare(method, x, labels, pythons, options, folder):
    """Rows of the table: program -> dict of the least seconds, or text."""
    own, peers, few = METHODS[method]
    if method == "cosne":
        x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    few = few and not options.full
    data = os.path.join(folder, method + ".npy")
    np.save(data, x)
    limits = {"max_iter": FEW} if few else {}
    orders = {"libne": {"options": {**own, **limits}}}
    for module, (kind, settings) in peers.items():
        if module in pythons and (not options.programs or module in options.programs):
            orders[module] = {"kind": kind, "options": {**settings, **limits}}
    rows = {program: {} for program in orders}
    for turn in range(options.runs):
        for program, order in orders.items():
            if isinstance(rows[program], str):
                continue
            order |= {"program": program, "method": method, "data": data, "seed": turn, "threads": options.threads,
                      "out": os.path.join(folder, f"{method}_{program}.npy")}
            cost = cost_of(order, pythons.get(program, sys.executable), options.limit)
            print(f"{method}, {program}, run {turn + 1}: {cost}", file=sys.stderr)
            if isinstance(cost, str):
                rows[program] = cost
                continue
            row = rows[program]
            row["seconds"] = min(row.get("seconds", np.inf), cost["seconds"])
            row["peak"] = max(row.get("peak", 0), cost["peak"])
            row["steps"] = cost["steps"]
            row["quality"] = {} if few else scores(x, labels, np.load(order["out"]))
    return rows


def table(results):
    yield "| method | program | steps | seconds | libne is faster by | peak MiB | trust | accuracy |"
    yield "| --- |" + " --- |" * 7
    for method, rows in results.items():
        own = rows["libne"]
        for program, row in rows.items():
            if isinstance(row, str):
                yield f"| {method} | {program} | {row} | | | | | |"
                continue
            ratio = "" if program == "libne" or isinstance(own, str) else f"{row['seconds'] / own['seconds']:.1f}"
            cells = [row["steps"] or "", f"{row['seconds']:.2f}", ratio, f"{row['peak']:.0f}"]
            cells += [f"{row['quality'][name]:.4f}" if name in row["quality"] else "" for name in ("trust", "accuracy")]
            yield f"| {method} | {program} | " + " | ".join(map(str, cells)) + " |"


def main():
    if sys.argv[1:2] == ["--one"]:
        return one(json.loads(sys.argv[2]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--labels", help="whole numbers, for X.npy")
    parser.add_argument("--methods", default=",".join(METHODS), help="default: %(default)s")
    parser.add_argument("--programs", default="", help="peers, by module: torchdr,umap,pacmap,trimap")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=float, default=1800, help="seconds after which a fit is given up")
    parser.add_argument("--full", action="store_true", help="all steps of all methods")
    parser.add_argument("--fashion", default=FASHION, metavar="DIR")
    parser.add_argument("--python", action="append", default=[], metavar="INTERPRETER")
    options = parser.parse_args()
    sys.path.insert(0, str(PYTHON))
    methods, options.programs = options.methods.split(","), [name for name in options.programs.split(",") if name]
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        sys.exit(f"methods.py: no method {unknown[0]}; there are {', '.join(METHODS)}")
    x, labels = load(options.data, options.labels, options.fashion)
    wanted = {module for name in methods for module in METHODS[name][1]}
    pythons = find_interpreters(sorted(wanted), [sys.executable, *options.python])
    with tempfile.TemporaryDirectory() as folder:
        results = {name: compare(name, x, labels, pythons, options, folder) for name in methods}
    print(f"{options.data}: {x.shape[0]:,} x {x.shape[1]}, {options.threads} threads, best of {options.runs} runs in turn\n")
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
