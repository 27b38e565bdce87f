"""fit.py ORDER: one fit, search or score of one program in a process of its own, for run.py.

ORDER is JSON: {program, options, data, out, threads, seed}. Printed is JSON: seconds (reading, imports and what a
program compiles for itself left out), peak MiB of the process, versions, and what else the program tells. Add a program
by a function here that takes (order, x) and returns a function to be timed, which returns (result, facts).
"""
import importlib.metadata
import json
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "examples" / "python")]

import numpy as np  # noqa: E402

WARM_UP = 5000  # rows: enough that umap-learn and pacmap take the paths that they take for any more
PHASES = {"knn": "seconds_knn", "affinity": "seconds_affinity", "start": "seconds_init", "optimize": "seconds_optimize"}


# --- libne -----------------------------------------------------------------------------------------------------------

def libne(order, x):
    """options may have noise: the start is PCA's with 1 % of noise of that seed; kl: the score of its own affinity."""
    import ne

    options = dict(order["options"])
    method, noise, want_kl = options.pop("method"), options.pop("noise", None), options.pop("kl", False)
    model = ne.Embedding(method, context=ne.Context(threads=order["threads"]), random_state=order["seed"], **options)
    if noise is not None:
        start = ne.Embedding("pca").fit_transform(x)
        start *= 1e-4 / start[:, 0].std()
        start += 1e-6 * np.random.default_rng(noise).normal(size=start.shape)
        model.set(init=np.ascontiguousarray(start, np.float32))

    def run():
        y = model.fit_transform(x)
        facts = {phase: model.result(name) for phase, name in PHASES.items()}
        return y, facts | {"steps": model.result("n_iter"), "recall": model.result("recall_measured")}

    run.after = (lambda: {"own_kl": model.result("kl")}) if want_kl else dict
    return run


def libne_small(order, x):
    """The least time of many whole fits, objects made anew for each, and what of it no phase accounts for."""
    import ne

    def run():
        least = {"whole": np.inf}
        for _ in range(order["options"]["repeats"]):
            start = time.perf_counter()
            model = ne.Embedding("tsne", context=ne.Context(threads=order["threads"]), random_state=order["seed"])
            y = model.fit_transform(x)
            whole = time.perf_counter() - start
            if whole < least["whole"]:
                phases = {phase: model.result(name) for phase, name in PHASES.items()}
                least = {"whole": whole, "inside": model.result("seconds"), **phases}
        return y, least

    return run


# --- Programs for t-SNE, UMAP and so on ------------------------------------------------------------------------------

def sklearn(order, x):
    if order["program"] == "sklearnex":
        from sklearnex.manifold import TSNE
    else:
        from sklearn.manifold import TSNE
    model = TSNE(perplexity=30, init="pca", max_iter=1000, n_jobs=order["threads"], random_state=order["seed"])
    return lambda: (model.fit_transform(x), {})


def opentsne(order, x):
    import openTSNE

    method = order["program"].removeprefix("opentsne-")
    model = openTSNE.TSNE(perplexity=30, negative_gradient_method=method, early_exaggeration_iter=250, n_iter=750,
                          n_jobs=order["threads"], random_state=order["seed"])
    return lambda: (model.fit(x), {})


def scranpy(order, x):
    """libscran's qdtsne and umappp; they take columns for points."""
    import scranpy

    points, threads = np.ascontiguousarray(x.T, np.float64), order["threads"]
    if order["program"] == "umappp":
        return lambda: (scranpy.run_umap(points, num_threads=threads, parallel_optimization=True), {})
    rate = max(200, len(x) / 12)
    return lambda: (scranpy.run_tsne(points, perplexity=30, max_iterations=1000, eta=rate, num_threads=threads), {})


def compiled(order, x):
    """umap-learn, pacmap, localmap, trimap: without a seed, since with one some of them use one thread only."""
    module, kind = {"umap-learn": ("umap", "UMAP"), "pacmap": ("pacmap", "PaCMAP"), "localmap": ("pacmap", "LocalMAP"),
                    "trimap": ("trimap", "TRIMAP")}[order["program"]]
    options = dict(order["options"])
    if module == "umap":
        options["n_jobs"] = order["threads"]
    maker = getattr(importlib.import_module(module), kind)
    maker(**options).fit_transform(x[:WARM_UP])
    return lambda: (maker(**options).fit_transform(x), {})


def torchdr(order, x):
    import torch
    import torchdr as package

    torch.set_num_threads(order["threads"])
    options = {"device": "cpu", "random_state": order["seed"], **order["options"]}
    kind = options.pop("kind")
    if importlib.util.find_spec("faiss") is None:
        options["backend"] = None  # exact pairs, in memory
    model = getattr(package, kind)(**options)
    return lambda: (model.fit_transform(x), {"steps": int(model.n_iter_) + 1})


# --- k-NN alone: each setting of a sweep, with its recall ------------------------------------------------------------

def recall(found, exact):
    """Share of the exact neighbors that are among those found; both n x k, the row itself not counted."""
    first = np.arange(len(exact))[:, None] * len(exact)
    return float(np.isin((exact + first).ravel(), (found.astype(np.int64) + first).ravel()).mean())


def without_self(found, k):
    """The first k of each row that are not the row itself."""
    own = found == np.arange(len(found))[:, None]
    own[~own.any(1), -1] = True
    return found[~own].reshape(len(found), -1)[:, :k]


def knn_libne(order, x, k):
    import ne

    for setting in order["options"]["settings"]:
        graph = ne.Graph(ne.Context(threads=order["threads"]), n_neighbors=k, **setting)
        start = time.perf_counter()
        graph.build(x)
        yield setting, time.perf_counter() - start, graph.neighbors()[0]


def knn_pynndescent(order, x, k):
    import pynndescent

    pynndescent.NNDescent(x[:WARM_UP], n_neighbors=k + 1, n_jobs=order["threads"])
    common = {"n_neighbors": k + 1, "n_jobs": order["threads"], "random_state": order["seed"]}
    for setting in order["options"]["settings"]:
        start = time.perf_counter()
        found = pynndescent.NNDescent(x, **common, **setting).neighbor_graph[0]
        yield setting, time.perf_counter() - start, without_self(found, k)


def knn_hnsw(order, x, k):
    """A setting lists its lengths of search: the index is built once for them, and its time counts each time."""
    import faiss

    faiss.omp_set_num_threads(order["threads"])
    for setting in order["options"]["settings"]:
        start = time.perf_counter()
        index = faiss.IndexHNSWFlat(x.shape[1], setting["M"])
        index.hnsw.efConstruction = setting["efConstruction"]
        index.add(x)
        built = time.perf_counter() - start
        for length in setting["efSearch"]:
            index.hnsw.efSearch = length
            start = time.perf_counter()
            found = index.search(x, k + 1)[1]
            seconds = built + time.perf_counter() - start
            yield {**setting, "efSearch": [length]}, seconds, without_self(found, k)


def curve(order, x):
    """Each setting's seconds and recall; the seconds of the whole are of no interest."""
    exact = np.load(order["options"]["exact"])["indices"]
    search = {"knn-libne": knn_libne, "knn-pynndescent": knn_pynndescent, "knn-hnsw": knn_hnsw}[order["program"]]

    def run():
        points = [{"setting": setting, "seconds": seconds, "recall": recall(found, exact)}
                  for setting, seconds, found in search(order, x, exact.shape[1])]
        return None, {"curve": points}

    return run


# --- The process -----------------------------------------------------------------------------------------------------

def scores(order, x):
    import score

    return lambda: (None, score.PROGRAMS[order["program"]](x, order))


# program: (function, module that it needs, distributions whose version is told)
PROGRAMS = {
    "libne": (libne, "numpy", ()),
    "libne-small": (libne_small, "numpy", ()),
    "sklearn": (sklearn, "sklearn", ("scikit-learn",)),
    "sklearnex": (sklearn, "sklearnex", ("scikit-learn-intelex",)),
    "opentsne-bh": (opentsne, "openTSNE", ("openTSNE",)),
    "opentsne-fft": (opentsne, "openTSNE", ("openTSNE",)),
    "qdtsne": (scranpy, "scranpy", ("scranpy",)),
    "umappp": (scranpy, "scranpy", ("scranpy",)),
    "umap-learn": (compiled, "umap", ("umap-learn", "pynndescent", "numba")),
    "pacmap": (compiled, "pacmap", ("pacmap", "numba")),
    "localmap": (compiled, "pacmap", ("pacmap", "numba")),
    "trimap": (compiled, "trimap", ("trimap", "numba")),
    "torchdr": (torchdr, "torchdr", ("torchdr", "torch")),
    "knn-libne": (curve, "numpy", ()),
    "knn-pynndescent": (curve, "pynndescent", ("pynndescent", "numba")),
    "knn-hnsw": (curve, "faiss", ("faiss-cpu",)),
    "exact": (scores, "numpy", ()),
    "scores": (scores, "numpy", ()),
    "kl-numpy": (scores, "numpy", ("numpy",)),
}


def peak():
    """MiB. Not getrusage's: that starts from what the parent process held when it made this one."""
    for line in pathlib.Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def main():
    order = json.loads(sys.argv[1])
    make, _, distributions = PROGRAMS[order["program"]]
    x = np.load(order["data"])
    run = make(order, x)
    start = time.perf_counter()
    result, facts = run()
    answer = {"seconds": time.perf_counter() - start, "peak": peak(), **facts}
    if result is not None:
        np.save(order["out"], np.asarray(result, np.float32))
    answer |= getattr(run, "after", dict)()
    answer["versions"] = {name: importlib.metadata.version(name) for name in distributions}
    print("\n" + json.dumps(answer))


if __name__ == "__main__":
    main()
