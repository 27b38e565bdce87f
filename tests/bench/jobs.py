"""The jobs of the benchmark: JOBS maps a name to a function of (bench, name) that gives the lines of its section."""
import math
import pathlib

import numpy as np

import tables
from tables import faster, limit, not_below, number, within

# Program of fit.py, for a row of a table: (program, options). A name that is not here is a program without options.
ROWS = {name: ("torchdr", {"kind": kind, **options}) for name, kind, options in (
    ("TorchDR tsne", "TSNE", {"perplexity": 30}), ("TorchDR umap", "UMAP", {"n_neighbors": 15}),
    ("TorchDR pacmap", "PACMAP", {"n_neighbors": 10}), ("TorchDR largevis", "LargeVis", {"perplexity": 30}),
    ("TorchDR infotsne", "InfoTSNE", {"perplexity": 30}), ("TorchDR sne", "SNE", {"perplexity": 30}),
    ("TorchDR tsnekhorn", "TSNEkhorn", {"perplexity": 30, "min_grad_norm": 0}),
    ("TorchDR cosne", "COSNE", {"perplexity": 30}))}
ROWS |= {"umap-learn": ("umap-learn", {"n_neighbors": 15}), "pacmap": ("pacmap", {"n_neighbors": 10}),
         "localmap": ("localmap", {"n_neighbors": 10}), "trimap": ("trimap", {"n_inliers": 12, "verbose": False})}
ONCE = ("opentsne-bh", "opentsne-fft", "qdtsne", "trimap", *(name for name in ROWS if name.startswith("TorchDR")))
TORCHDR_LIMIT = 120  # seconds; it goes through all pairs
FEW = 5  # steps of methods that go through all pairs
STARTS = 5
SCORES = ("KL", "trust", "kept", "accuracy")


def section(name, text, rows, bars):
    yield f"## {name}: {text}"
    yield ""
    if not rows:
        yield "Nothing measured."
        return
    yield from tables.table(rows)
    yield from tables.bars(bar(rows) for bar in bars)


def shape(path):
    rows, columns = np.load(path, mmap_mode="r").shape
    return f"{rows:,} x {columns}"


def in_turn(bench, name, path, row_programs, data, kl, judged=True):
    """{row: merged row} of programs that take turns; row_programs is {row: (program, options)}."""
    answers = {row: [] for row in row_programs}
    for run in range(bench.runs):
        for row, (program, options) in row_programs.items():
            broken = answers[row] and "seconds" not in (answers[row][-1] or {})
            if broken or run and row in ONCE:
                continue
            most = min(bench.options.limit, TORCHDR_LIMIT) if program == "torchdr" else None
            answers[row].append(bench.fit(name, program, path, options, label=row, run=run, limit=most))
    rows = {row: merged for row, merged in ((row, tables.merge(found)) for row, found in answers.items()) if merged}
    own = rows.get("libne", {}).get("seconds")
    for row, found in rows.items():
        if judged and "y" in found:
            first = next(answer for answer in answers[row] if answer and "seconds" in answer)
            scores = bench.scores(first, data, kl)
            found |= {key: scores[key] for key in SCORES if key in scores}
        if own and row != "libne" and "seconds" in found:
            found["times"] = found["seconds"] / own
    return rows


def comparison(data, method, peers, bars=(), options=None, kl=False, judged=True, starts=0):
    """A job that compares a method of libne with the peers on one data set."""

    def job(bench, name):
        path = bench.data(data)
        limited = {} if judged else {"max_iter": FEW}
        programs = {"libne": ("libne", {"method": method, **(options or {}), **limited})}
        for peer in peers:
            program, settings = ROWS.get(peer, (peer, {}))
            programs[peer] = (program, {**settings, **limited})
        rows = in_turn(bench, name, path, programs, data, kl, judged)
        if starts and "libne" in rows:
            noisy = [{"method": method, **options, "noise": seed} for seed in range(starts)]
            each = [bench.fit(name, "libne", path, one, label=f"start {one['noise']}") for one in noisy]
            each = [bench.scores(answer, data, kl) for answer in each if answer and "seconds" in answer]
            each = [found for found in each if found]
            if each:
                mean = {key: float(np.mean([one[key] for one in each])) for key in SCORES if key in each[0]}
                rows[f"libne, mean of {len(each)} starts"] = mean
        few = "" if judged else f", the first {FEW} steps"
        yield from section(name, f"{shape(path)}{few}", rows, bars)

    return job


# --- k-NN alone ------------------------------------------------------------------------------------------------------

SWEEPS = {
    "libne": ("knn-libne", [{"recall": target} for target in (0.9, 0.93, 0.95, 0.96, 0.97)]),
    "pynndescent": ("knn-pynndescent", [{}, *({"max_candidates": most, "n_iters": rounds}
                                              for most in (10, 20, 40) for rounds in (2, 4))]),
    "faiss HNSW": ("knn-hnsw", [{"M": 16, "efConstruction": 40, "efSearch": [96, 128, 192]},
                                {"M": 24, "efConstruction": 40, "efSearch": [96, 128]},
                                {"M": 32, "efConstruction": 80, "efSearch": [96]}]),
}
RECALL = 0.95


def cheapest(points):
    """The fastest setting that finds enough."""
    enough = [point for point in points if point["recall"] >= RECALL]
    return min(enough, key=lambda point: point["seconds"], default=None)


def knn(data):
    def job(bench, name):
        path, exact = bench.data(data), str(bench.exact(data))
        best, swept, without = {}, {}, {}
        for row, (program, settings) in SWEEPS.items():
            settings = settings[:2] if bench.quick else settings
            found = bench.fit(name, program, path, {"exact": exact, "settings": settings}, label=f"{row} sweep")
            swept[row] = (found or {}).get("curve", [])
            if found and not swept[row]:
                without[row] = tables.in_short(found)
            if cheapest(swept[row]):
                best[row] = cheapest(swept[row])
        again = {row: [point] for row, point in best.items()}
        for run in range(bench.runs):
            for row, point in best.items():
                options = {"exact": exact, "settings": [point["setting"]]}
                found = bench.fit(name, SWEEPS[row][0], path, options, label=row, run=run) or {}
                again[row] += [{**one, "peak": found["peak"]} for one in found.get("curve", [])]
        rows = {}
        for row, points in again.items():
            rows[row] = {"seconds": min(point["seconds"] for point in points), "setting": best[row]["setting"],
                         "recall": min(point["recall"] for point in points),
                         "peak": max(point.get("peak", 0) for point in points)}
        yield f"## {name}: {shape(path)}, k = 90, recall at least {RECALL}"
        yield ""
        own = rows.get("libne", {}).get("seconds")
        lines = [[row, number(one["seconds"], 2), number(one["recall"], 3), number(one["peak"], 0),
                  settings_text(one["setting"]), number(one["seconds"] / own, 1) if own and row != "libne" else ""]
                 for row, one in rows.items()]
        lines += [[row, "recall not reached", number(max(point["recall"] for point in points), 3), "", "", ""]
                  for row, points in swept.items() if points and row not in best]
        lines += [[row, why, "", "", "", ""] for row, why in without.items()]
        yield from tables.markdown(["", "seconds", "recall", "peak MiB", "setting", "libne is faster by"], lines)
        yield from tables.bars(bar(rows) for bar in (faster(3, "pynndescent"), faster(3, "faiss HNSW")))
        yield ""
        yield "Settings tried, seconds and recall:"
        yield ""
        lines = [[row, settings_text(point["setting"]), number(point["seconds"], 2), number(point["recall"], 3)]
                 for row, points in swept.items() for point in points]
        yield from tables.markdown(["", "setting", "seconds", "recall"], lines)

    return job


def settings_text(setting):
    words = (f"{key} {value[0] if isinstance(value, list) else value}" for key, value in setting.items())
    return ", ".join(words) or "defaults"


# --- libne alone -----------------------------------------------------------------------------------------------------

def growth(bench, name):
    """Time of a step as n grows, on data of one kind."""
    sizes, rows = ("10k", "30k", "100k", "300k", "1m"), {}
    for size in sizes:
        path = bench.data(f"clustered-{size}")
        found = [bench.fit(name, "libne", path, {"method": "tsne"}, label=size, run=run)
                 for run in range(1 if size in ("300k", "1m") else bench.runs)]
        row = tables.merge(found)
        if row and "seconds" in row:
            n = np.load(path, mmap_mode="r").shape[0]
            rows[shape(path)] = row | {"n": n, "step": 1000 * row["optimize"] / row["steps"]}
    yield f"## {name}: t-SNE of clustered data, time of a step"
    yield ""
    lines = [[key, number(row["step"], 2), number(1e6 * row["step"] / row["n"], 1), number(row["seconds"], 2),
              number(row["peak"], 0)] for key, row in rows.items()]
    yield from tables.markdown(["", "ms a step", "ns a step and point", "seconds", "peak MiB"], lines)
    slope = None
    if len(rows) > 1:
        points = [(math.log(row["n"]), math.log(row["step"])) for row in rows.values()]
        slope = float(np.polyfit(*zip(*points), 1)[0])
    met = None if slope is None else slope <= 1.1
    yield from tables.bars([("log-log slope of the time of a step", "at most 1.1", number(slope, 3), met)])


def million(bench, name):
    path = bench.data("clustered-1m")
    found = bench.fit(name, "libne", path, {"method": "tsne", "max_iter": 1000, "kl": True})
    rows = {"libne": tables.merge([found])} if found else {}
    if found and "own_kl" in found:
        rows["libne"]["KL"] = found["own_kl"]
    bars = limit("seconds", 480), limit("peak", 3072)
    yield from section(name, f"{shape(path)}, 1000 steps; KL of the fit's own affinity, over all pairs", rows, bars)


def scores(bench, name):
    """libne's KL against numpy's, neighbors and affinity computed anew, of layouts that another job left."""
    lines, worst = [], None
    for data, job in (("fashion-10k", "tsne-10k"), ("fashion-70k", "tsne-70k")):
        path = bench.data(data)
        fitted = bench.fit(job, "libne", path, {"method": "tsne", **TSNE})
        if fitted and "y" in fitted:
            ours, theirs = bench.scores(fitted, data), bench.scores(fitted, data, program="kl-numpy")
            if "KL" in ours and "KL" in theirs:
                gap = abs(ours["KL"] - theirs["KL"]) / theirs["KL"]
                worst = max(worst or 0, gap)
                lines.append([shape(path), f"{ours['KL']:.6f}", f"{theirs['KL']:.6f}", f"{gap:.1e}"])
    yield f"## {name}: KL by libne and by numpy in double precision"
    yield ""
    yield from tables.markdown(["", "libne", "numpy", "apart"], lines)
    yield from tables.bars([("KL by libne against numpy", "at most 1e-3 apart", "" if worst is None else f"{worst:.1e}",
                             None if worst is None else worst <= 1e-3)])


def small(bench, name):
    path = bench.data("fashion-500")
    found = bench.fit(name, "libne-small", path, {"repeats": 20 if bench.quick else 200}, label="libne")
    lines, bars = [], []
    if found and "whole" in found:
        whole, library = 1000 * found["whole"], 1000 * found["inside"]
        phases = [1000 * found[phase] for phase in tables.PHASES]
        lines = [["libne", *(number(value, 2) for value in (whole, *phases, library - sum(phases), whole - library))]]
        bars = [("whole fit, ms", "at most 50", number(whole, 1), whole <= 50),
                ("outside of the phases, ms", "at most 1", number(library - sum(phases), 2), library - sum(phases) <= 1)]
    yield f"## {name}: t-SNE of {shape(path)}, best of many whole fits, milliseconds"
    yield ""
    yield from tables.markdown(["", "whole", "k-NN", "affinity", "start", "steps", "outside", "Python"], lines)
    yield from tables.bars(bars)


def threads(bench, name):
    """One thread and two, in turn."""
    lines, bars = [], []
    for data in ("fashion-10k", "fashion-70k"):
        path, found = bench.data(data), {1: [], 2: []}
        for run in range(bench.runs):
            for count, answers in found.items():
                label = f"{data} {count} threads"
                answers.append(bench.fit(name, "libne", path, {"method": "tsne"}, label=label, run=run, threads=count))
        one, two = tables.merge(found[1]), tables.merge(found[2])
        if not one or not two or "seconds" not in one or "seconds" not in two:
            continue
        for count, row in ((1, one), (2, two)):
            lines.append([shape(path), count, *(number(row[key], 2) for key in ("seconds", *tables.PHASES))])
        ratios = (one[key] / max(two[key], 1e-9) for key in ("seconds", *tables.PHASES))
        lines.append([shape(path), "faster by", *(number(ratio, 2) for ratio in ratios)])
        same = pathlib.Path(one["y"]).read_bytes() == pathlib.Path(two["y"]).read_bytes()
        times = one["seconds"] / two["seconds"]
        bars += [(f"{shape(path)}: seconds of one thread / of two", "at least 1.7", number(times, 2), times >= 1.7),
                 (f"{shape(path)}: bytes of the layouts", "identical", "identical" if same else "different", same)]
    yield f"## {name}: t-SNE by one thread and by two"
    yield ""
    yield from tables.markdown(["", "threads", "seconds", *(tables.COLUMNS[phase] for phase in tables.PHASES)], lines)
    yield from tables.bars(bars)


# --- All jobs --------------------------------------------------------------------------------------------------------

TSNE, UMAP, PACMAP = {"perplexity": 30}, {"n_neighbors": 15}, {"n_neighbors": 10}
FIVE = f"libne, mean of {STARTS} starts"


def like(peer, times, *peers):
    """Bars of a method whose quality is held against one package."""
    return faster(times, peer, *peers), not_below("kept", peer, 0.005), not_below("accuracy", peer, 0.005)


JOBS = {
    "tsne-10k": comparison(
        "fashion-10k", "tsne", ("sklearnex", "qdtsne", "opentsne-fft", "opentsne-bh", "TorchDR tsne"),
        (faster(4, "sklearnex"), faster(30, "opentsne-bh"), limit("KL", 1.57, row=FIVE),
         limit("trust", 0.984, False, FIVE)),
        TSNE, kl=True, starts=STARTS),
    "tsne-70k": comparison(
        "fashion-70k", "tsne", ("sklearnex", "qdtsne", "opentsne-fft"),
        (faster(6, "sklearnex"), faster(20, "opentsne-fft"), limit("KL", 2.56), not_below("trust", "sklearnex", 0),
         limit("peak", 838)), TSNE, kl=True),
    "tsne-wordnet": comparison(
        "wordnet", "tsne", ("sklearnex", "opentsne-bh"),
        (faster(2, "sklearnex"), faster(30, "opentsne-bh"), within("KL", "opentsne-bh", 0.02)), TSNE, kl=True),
    "umap-10k": comparison("fashion-10k", "umap", ("umap-learn", "umappp", "TorchDR umap"),
                           like("umap-learn", 5, "umappp"), UMAP),
    "umap-70k": comparison("fashion-70k", "umap", ("umap-learn", "umappp"), like("umap-learn", 5, "umappp"), UMAP),
    "pacmap-10k": comparison("fashion-10k", "pacmap", ("pacmap", "TorchDR pacmap"), like("pacmap", 2.5), PACMAP),
    "pacmap-70k": comparison("fashion-70k", "pacmap", ("pacmap",), like("pacmap", 2.5), PACMAP),
    "localmap-10k": comparison("fashion-10k", "localmap", ("localmap",), like("localmap", 1), PACMAP),
    "trimap-10k": comparison("fashion-10k", "trimap", ("trimap",), like("trimap", 1), {"n_inliers": 12}),
    "largevis-10k": comparison("fashion-10k", "largevis", ("TorchDR largevis",), (), TSNE),
    "infotsne-10k": comparison("fashion-10k", "infotsne", ("TorchDR infotsne",), (), TSNE),
    "sne-10k": comparison("fashion-10k", "sne", ("TorchDR sne",), (), TSNE, judged=False),
    "tsnekhorn-10k": comparison("fashion-10k", "tsnekhorn", ("TorchDR tsnekhorn",), (), TSNE, judged=False),
    "cosne-10k": comparison("fashion-10k", "cosne", ("TorchDR cosne",), (), TSNE, judged=False),
    "knn-70k": knn("fashion-70k"),
    "growth": growth,
    "million": million,
    "scores": scores,
    "small": small,
    "threads": threads,
}
