#!/usr/bin/env python3
"""affinities.py [fashion | X.npy]: the time of libne's affinities beside TorchDR's, and the memory that they take.

Each affinity is computed of the same rows by both programs with equal settings, each time in a process of its own, in turn
(A B A B ...). Printed is a table in Markdown: the least seconds of all runs (imports, reading and a first computation of 300
rows left out), the least seconds of the processors' time, libne's share of TorchDR's seconds, the share aimed at, and the
largest peak of memory. Dense ones are n x n, in f32, into memory that nobody has touched before; sparse ones are over
neighbors found exactly.

TorchDR's solvers need up to a thousand passes over all pairs. Of those that use all that they are allowed on these data (its
searches for a bandwidth always do so in f32), 8 and 16 iterations are timed, once, from which follows the time of all
("about"); --full runs them to the end.

--memory shows in place of that how far libne's peak of memory is above the data when rows are handed out block by block, of
50,000 x 50 random rows: all of the cheap ones, and a few iterations of the solvers, from which follows the time of all.

fashion is the first 10,000 training images of Fashion-MNIST, found as by data.py, divided by 255.
needs: numpy and libne as examples/python/ finds it (NE_LIBRARY names another); torchdr, here or in a --python INTERPRETER.
"""
import argparse
import ctypes
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

import data as benchmark_data

PYTHON = pathlib.Path(__file__).resolve().parents[2] / "examples" / "python"
FIFTH, TENTH, HALF = 0.2, 0.1, 0.5
FEW, MORE = 8, 16  # iterations of TorchDR that are timed where it would use all

# label: (form, libne's name, its options, TorchDR's class, its options, the share aimed at, iterations that TorchDR uses)
CASES = {
    "gaussian": ("dense", "normalized_gaussian", {"sigma": 10, "normalization_dim": "none"},
                 "NormalizedGaussianAffinity", {"sigma": 10, "normalization_dim": None}, HALF, 0),
    "student": ("dense", "normalized_student", {"normalization_dim": "none"},
                "NormalizedStudentAffinity", {"normalization_dim": None}, HALF, 0),
    "scalar_product": ("dense", "scalar_product", {}, "pairwise_distances", {"metric": "angular"}, HALF, 0),
    "normalized_gaussian": ("dense", "normalized_gaussian", {"sigma": 10}, "NormalizedGaussianAffinity", {"sigma": 10}, HALF, 0),
    "normalized_student": ("dense", "normalized_student", {}, "NormalizedStudentAffinity", {}, HALF, 0),
    "self_tuning": ("dense", "self_tuning", {}, "SelfTuningAffinity", {}, HALF, 0),
    "magic": ("dense", "magic", {}, "MAGICAffinity", {}, HALF, 0),
    "entropic": ("dense", "entropic", {"symmetrize": False}, "EntropicAffinity", {"sparsity": False}, FIFTH, 1000),
    "entropic, sparse": ("sparse", "entropic", {"symmetrize": False}, "EntropicAffinity", {}, FIFTH, 0),
    "umap": ("dense", "umap", {}, "UMAPAffinity", {"sparsity": False}, FIFTH, 1000),
    "umap, sparse": ("sparse", "umap", {}, "UMAPAffinity", {}, FIFTH, 0),
    "pacmap, sparse": ("sparse", "pacmap", {}, "PACMAPAffinity", {}, FIFTH, 0),
    "symmetric_entropic": ("dense", "symmetric_entropic", {}, "SymmetricEntropicAffinity", {}, TENTH, 500),
    "sinkhorn, eps 10": ("dense", "sinkhorn", {"eps": 10}, "SinkhornAffinity", {"eps": 10}, TENTH, 0),
    "sinkhorn": ("dense", "sinkhorn", {}, "SinkhornAffinity", {}, TENTH, 1000),
    "doubly_stochastic_quadratic": ("dense", "doubly_stochastic_quadratic", {}, "DoublyStochasticQuadraticAffinity", {}, FIFTH, 1000),
    "phate": ("dense", "phate", {}, "PHATEAffinity", {}, FIFTH, 0),
}

# Of --memory. name: options, iterations that are run of a solver
MEMORY = {
    "normalized_gaussian": ({"sigma": 10}, 0), "normalized_student": ({}, 0), "gaussian": ({"sigma": 10}, 0),
    "student": ({}, 0), "scalar_product": ({}, 0), "self_tuning": ({}, 0), "magic": ({}, 0), "entropic": ({}, 0),
    "umap": ({}, 0), "symmetric_entropic": ({}, 1), "sinkhorn": ({"eps": 10}, 1),
    "doubly_stochastic_quadratic": ({"eps": 10}, 1),
}


# --- One computation, in a process of its own --------------------------------------------------------------------------

def spent():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident(field):
    """MiB of this process: VmRSS now, VmHWM at most since the last forget()."""
    for line in open("/proc/self/status"):
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return 0.0


def forget():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def timed(run, x):
    wall, cpu = time.perf_counter(), spent()
    run(x)
    return {"seconds": time.perf_counter() - wall, "cpu": spent() - cpu, "peak": resident("VmHWM")}


def libne(order):
    sys.path.insert(0, str(PYTHON))
    import ne
    from ne_library import as_view, call, lib

    def run(x):
        affinity = ne.Affinity(order["name"], context=ne.Context(threads=order["threads"]), **order["options"])
        if order["form"] == "sparse":
            affinity.compute(x)
        else:
            made = np.empty((len(x), len(x)), np.float32)
            call(lib.ne_affinity_compute_dense, affinity._handle, ctypes.byref(as_view(x, "x")), ctypes.byref(as_view(made, "y")))

    return run


def torchdr(order):
    import torch
    import torchdr as package
    from torchdr.distance import pairwise_distances

    torch.set_num_threads(order["threads"])
    if order["name"] == "pairwise_distances":
        return lambda x: pairwise_distances(torch.from_numpy(x), **order["options"])
    kind = getattr(package.affinity, order["name"])
    return lambda x: kind(device="cpu", backend=None, **order["options"])(torch.from_numpy(x))


def one(order):
    """What the parent process wrote: {program, form, name, options, data, threads}."""
    x = np.load(order["data"])
    run = (libne if order["program"] == "libne" else torchdr)(order)
    run(x[:300])
    print(json.dumps(timed(run, x)))


def one_memory(order):
    """Rows in blocks; the peak above what there was with the data in memory."""
    sys.path.insert(0, str(PYTHON))
    import ne
    from ne_library import as_view, call, lib, ne_dense

    take_fn = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.POINTER(ne_dense))
    lib.ne_affinity_compute_rows.argtypes = [ctypes.c_void_p, ctypes.POINTER(ne_dense), ctypes.c_size_t, take_fn, ctypes.c_void_p]
    lib.ne_affinity_compute_rows.restype = ctypes.c_int
    x = np.random.default_rng(0).normal(size=(order["rows"], order["columns"])).astype(np.float32)
    x += 4 * np.random.default_rng(1).normal(size=(20, order["columns"])).astype(np.float32)[np.arange(len(x)) % 20]
    context = ne.Context(threads=order["threads"], log=lambda level, text: None)
    affinity = ne.Affinity(order["name"], context=context, **order["options"])
    last = [0]

    def take(user, row0, row1, values):
        last[0] = row1
        return 0

    call(lib.ne_affinity_compute_rows, affinity._handle, ctypes.byref(as_view(x[:300].copy(), "x")), 64, take_fn(take), None)
    forget()
    before, start = resident("VmRSS"), time.perf_counter()
    call(lib.ne_affinity_compute_rows, affinity._handle, ctypes.byref(as_view(x, "x")), 64, take_fn(take), None)
    assert last[0] == len(x)
    seconds, n_iter, residual = time.perf_counter() - start, ctypes.c_int64(), ctypes.c_double()
    call(lib.ne_affinity_get_int, affinity._handle, b"n_iter", ctypes.byref(n_iter))
    call(lib.ne_affinity_get_real, affinity._handle, b"residual", ctypes.byref(residual))
    print(json.dumps({"seconds": seconds, "above": resident("VmHWM") - before, "n_iter": n_iter.value, "residual": residual.value}))


# --- Programs in turn --------------------------------------------------------------------------------------------------

def load(name):
    if name == "fashion":
        return benchmark_data.fashion(10000)[0].astype(np.float32) / 255
    return np.ascontiguousarray(np.load(name), np.float32)


def find_torchdr(candidates):
    test = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torchdr') is None)"
    for python in candidates:
        if subprocess.run([python, "-c", test], capture_output=True).returncode == 0:
            return python
    print("torchdr: not there, libne stands alone (pip install torchdr==0.5, or --python INTERPRETER)", file=sys.stderr)
    return None


def ask(flag, order, python, limit):
    """The answer of one process as a dict, or the reason why there is none as text."""
    environment = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment[name] = str(order["threads"])
    try:
        done = subprocess.run([python, __file__, flag, json.dumps(order)], env=environment, capture_output=True, text=True,
                              timeout=limit)
    except subprocess.TimeoutExpired:
        return f"more than {limit:.0f} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
    return json.loads(done.stdout.splitlines()[-1])


def ask_torchdr(order, python, limit, iterations):
    """The same of TorchDR; with iterations, what two short runs say of so many."""
    if not iterations:
        return ask("--one", order, python, limit)
    few, more = (ask("--one", {**order, "options": {**order["options"], "max_iter": count}}, python, limit)
                 for count in (FEW, MORE))
    if isinstance(few, str) or isinstance(more, str):
        return more if isinstance(few, dict) else few
    each = {key: max(more[key] - few[key], 0) / (MORE - FEW) for key in ("seconds", "cpu")}
    return {**{key: more[key] + (iterations - MORE) * each[key] for key in each}, "peak": more["peak"], "about": True}


def least(rows, turn):
    """The smallest seconds so far, or the text of a failure."""
    if isinstance(rows, str) or isinstance(turn, str):
        return rows if isinstance(rows, str) else turn
    if not rows:
        return turn
    return {**rows, **{key: min(rows[key], turn[key]) for key in ("seconds", "cpu")}, "peak": max(rows["peak"], turn["peak"])}


def compare(label, data, peer, options):
    form, name, own, kind, settings, bar, iterations = CASES[label]
    order = {"form": form, "data": data, "threads": options.threads}
    ours, theirs = {}, {}
    for turn in range(options.runs):
        ours = least(ours, ask("--one", {**order, "program": "libne", "name": name, "options": own}, sys.executable, options.limit))
        if peer and (not iterations or not turn or options.full):
            theirs = least(theirs, ask_torchdr({**order, "program": "torchdr", "name": kind, "options": settings}, peer,
                                               options.limit, 0 if options.full else iterations))
        print(f"{label}, run {turn + 1}: {ours} {theirs}", file=sys.stderr)
    return ours, theirs, bar


def row_of(label, ours, theirs, bar):
    if isinstance(ours, str):
        return f"| {label} | {ours} | | | | | | | |"
    cells = [label, f"{ours['seconds']:.2f}"]
    if theirs and not isinstance(theirs, str):
        share, cpu = ours["seconds"] / theirs["seconds"], ours["cpu"] / theirs["cpu"]
        about = "about " if theirs.get("about") else ""
        cells += [f"{about}{theirs['seconds']:.2f}", f"{share:.3f}", f"{cpu:.3f}", f"{bar:.1f}", "yes" if share <= bar else "no"]
    else:
        cells += [theirs or "", "", "", f"{bar:.1f}", ""]
    cells += [f"{ours['peak']:.0f}", f"{theirs['peak']:.0f}" if isinstance(theirs, dict) and theirs else ""]
    return "| " + " | ".join(cells) + " |"


def memory(options):
    print(f"{options.rows or 50000:,} x 50 random rows in 20 clusters, {options.threads} threads, rows in blocks of 64\n")
    print("| affinity | MiB above the data | seconds | iterations | residual |\n| --- | --- | --- | --- | --- |")
    for name in options.affinities or MEMORY:
        settings, iterations = MEMORY[name]
        if iterations and not options.full:
            settings = {**settings, "max_iter_affinity": iterations}
        got = ask("--one-memory", {"name": name, "options": settings, "threads": options.threads, "columns": 50,
                                   "rows": options.rows or 50000}, sys.executable, options.limit)
        cells = [got, "", "", ""] if isinstance(got, str) else [
            f"{got['above']:.0f}", f"{got['seconds']:.0f}", got["n_iter"] or "", f"{got['residual']:.1e}" if got["n_iter"] else ""]
        print("| " + " | ".join(map(str, [name, *cells])) + " |", flush=True)


def main():
    if sys.argv[1:2] == ["--one"]:
        return one(json.loads(sys.argv[2]))
    if sys.argv[1:2] == ["--one-memory"]:
        return one_memory(json.loads(sys.argv[2]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="fashion")
    parser.add_argument("--rows", type=int, default=0, help="so many of them")
    parser.add_argument("--affinities", default="", metavar="A,B", help="of: " + "; ".join(CASES))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=float, default=1800, help="seconds after which a computation is given up")
    parser.add_argument("--full", action="store_true", help="all iterations of all solvers")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--python", action="append", default=[], metavar="INTERPRETER")
    options = parser.parse_args()
    names = [name.strip() for name in options.affinities.split(";" if ";" in options.affinities else ",") if name.strip()]
    options.affinities = [label for label in (MEMORY if options.memory else CASES)
                          if label in names or label.split(",")[0] in names]
    if names and not options.affinities:
        parser.error(f"no affinity {names[0]}")
    if options.memory:
        return memory(options)
    x = load(options.data)[:options.rows or None]
    peer = find_torchdr([sys.executable, *options.python])
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "x.npy")
        np.save(data, x)
        rows = [(label, *compare(label, data, peer, options)) for label in options.affinities or CASES]
    print(f"{options.data}: {x.shape[0]:,} x {x.shape[1]}, {options.threads} threads, best of {options.runs} runs in turn\n")
    print("| affinity | libne s | TorchDR s | share | share of CPU time | bar | met | libne MiB | TorchDR MiB |")
    print("| --- |" + " --- |" * 8)
    print("\n".join(row_of(*row) for row in rows))


if __name__ == "__main__":
    main()
