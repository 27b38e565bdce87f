#!/usr/bin/env python3
"""run.py [--only tsne-10k,umap-10k,...]: libne and the other programs side by side, one command for all of it.

Makes the data, or finds it (data.py); fits it by libne and its peers in turn (A B C A B C ...), each fit in a process
of its own (fit.py); scores every layout in the same way (score.py); and prints tables in Markdown, with the bars that
libne is to meet and whether it does. Seconds are of fitting: imports, reading and what a program compiles for itself
are left out. Of several runs the least seconds, the largest peak of memory and the scores of the first count.

What was measured stays in --out, a file for each fit: a run that was broken off goes on, --print only prints, --again
PROGRAM measures it anew. Fits by another build of libne than the present one, and those that failed or ran into a
shorter limit, are measured anew.
needs: numpy, libne as examples/python/ finds it (NE_LIBRARY), scipy for the data "wordnet"; of the peers those that are
there: --python names further interpreters, with other packages, in which to look for them.
"""
import argparse
import fcntl
import hashlib
import json
import os
import pathlib
import platform
import resource
import subprocess
import sys
import time

import data
import fit
import jobs
import tables

HERE = pathlib.Path(__file__).resolve().parent


class Bench:
    """What the jobs measure with: each answer is a dict, and None where there is none."""

    def __init__(self, options):
        self.options, self.threads, self.quick = options, options.threads, options.quick
        self.out = pathlib.Path(options.out).resolve() / ("quick" if options.quick else "full")
        self.out.mkdir(parents=True, exist_ok=True)
        self.again = set(filter(None, options.again.split(",")))
        self.runs = 1 if options.quick and options.runs is None else options.runs or 3
        self.pythons, self.missing, self.versions, self.others = {}, set(), {}, 0.0
        sys.path.insert(0, str(HERE.parents[1] / "examples" / "python"))
        import ne
        import ne_library

        self.versions["libne"] = ne.__version__
        self.library = hashlib.sha1(pathlib.Path(ne_library.lib._name).read_bytes()).hexdigest()

    # --- Where programs are

    def python_with(self, module):
        """The first interpreter that has a module, or None."""
        if module not in self.pythons:
            test = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
            there = (python for python in [sys.executable, *self.options.python]
                     if subprocess.run([python, "-c", test], capture_output=True, check=False).returncode == 0)
            self.pythons[module] = next(there, None)
        return self.pythons[module]

    def wants(self, program):
        return not self.options.programs or program in self.options.programs.split(",")

    # --- Data and fits

    def data(self, name):
        """The path of a data set."""
        name += "-quick" if self.quick else ""
        path = pathlib.Path(self.options.data).resolve() / f"{name}.npy"
        if not path.exists():
            python = self.python_with("scipy" if name.startswith("wordnet") else "numpy")
            if python is None:
                sys.exit("run.py: no interpreter with scipy, which wordnet needs: --python INTERPRETER")
            self.say(f"making {path.name}")
            command = [python, str(HERE / "data.py"), name, str(path.parent)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return path

    def fit(self, name, program, path, options=None, *, label=None, run=0, threads=None, limit=None):
        """One fit by a program, measured now or found in --out. {"failed": why} where it fails, {"over": limit} where
        it takes longer; None where the program is not there, or nothing may be measured."""
        label, limit = label or program, limit or self.options.limit
        place = self.out / f"{name}.{label.replace(' ', '_')}.{run}.json"
        order = {"program": program, "options": options or {}, "data": str(path), "out": str(place.with_suffix(".npy")),
                 "threads": threads or self.threads, "seed": run}
        known = json.loads(place.read_text()) if place.exists() else None
        ours = fit.PROGRAMS[program][1] == "numpy"
        if known and not self.options.print:
            stale = ours and known["library"] != self.library or known["order"] != order
            retry = "failed" in known or known.get("over", limit) < limit
            if stale or retry or self.again & {program, label, "all"}:
                known = None
        if known is None and not self.options.print and self.wants(program):
            known = self.measure(order, limit)
            if known is not None:
                known |= {"order": order, "library": self.library, "when": time.strftime("%Y-%m-%d %H:%M:%S")}
                place.write_text(json.dumps(known, indent=1))
                self.say(f"{name}, {label}, run {run + 1}: {tables.in_short(known)}")
        if known:
            self.versions |= known.get("versions", {})
            self.others = max(self.others, known.get("others", 0))
            if "seconds" in known:
                known["y"] = order["out"]
        return known

    def measure(self, order, limit):
        module = fit.PROGRAMS[order["program"]][1]
        python = self.python_with(module)
        if python is None:
            if module not in self.missing:
                self.say(f"{module}: not there, its rows are left out (--python INTERPRETER has it)")
            self.missing.add(module)
            return None
        environment = dict(os.environ)
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
            environment[name] = str(order["threads"])
        busy, own, start = processor_seconds(), own_seconds(), time.perf_counter()
        try:
            done = subprocess.run([python, str(HERE / "fit.py"), json.dumps(order)], env=environment,
                                  capture_output=True, text=True, timeout=limit, check=False)
        except subprocess.TimeoutExpired:
            return {"over": limit}
        if done.returncode:
            return {"failed": (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]}
        wall = time.perf_counter() - start
        others = (processor_seconds() - busy - (own_seconds() - own)) / (wall * os.cpu_count())
        return json.loads(done.stdout.splitlines()[-1]) | {"others": max(others, 0)}

    # --- Scores

    def exact(self, name):
        """The file of the exact neighbors of a data set."""
        path = self.data(name)
        place = path.with_suffix(".exact.npz")
        if not place.exists() and not self.options.print:
            self.say(f"exact neighbors of {path.name}")
            self.helper("exact", path, {"exact": str(place)})
        return place

    def helper(self, program, path, options):
        answer = self.measure({"program": program, "options": options, "data": str(path), "out": "", "seed": 0,
                               "threads": self.threads}, 7200)
        if answer is None or "seconds" not in answer:
            sys.exit(f"run.py: {program} of {path.name}: {answer}")
        return answer

    def scores(self, answer, name, kl=True, program="scores"):
        """KL, trust, kept and accuracy of a fit's layout, kept beside it."""
        place = pathlib.Path(answer["y"]).with_suffix(f".{program}.json")
        fitted = answer.get("when")
        known = json.loads(place.read_text()) if place.exists() else None
        if self.options.print or known and known["when"] == fitted and (not kl or "KL" in known):
            return known or {}
        path = self.data(name)
        labels = path.with_suffix(".labels.npy")
        options = {"exact": str(self.exact(name)), "y": answer["y"], "kl": kl,
                   "labels": str(labels) if labels.exists() else None}
        found = self.helper(program, path, options) | {"when": fitted}
        place.write_text(json.dumps(found))
        return found

    # --- The terminal

    @staticmethod
    def say(text):
        print(text, file=sys.stderr, flush=True)

    def heading(self):
        model = next((line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                      if line.startswith("model name")), platform.machine())
        packages = ", ".join(f"{name} {version}" for name, version in sorted(self.versions.items()))
        busy = f"Other work took at most {100 * self.others:.0f} % of the machine during a fit."
        quick = " Sizes are small (--quick), so the bars say little." if self.quick else ""
        return (f"{model}, {os.cpu_count()} cores, {self.threads} threads, {time.strftime('%Y-%m-%d')}; best of "
                f"{self.runs} runs in turn. {busy}{quick}\n{packages}.")


def processor_seconds():
    """Of all programs since the machine started, in seconds of one core, waiting left out."""
    fields = [int(field) for field in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def own_seconds():
    children, self = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
    return children.ru_utime + children.ru_stime + self.ru_utime + self.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="jobs, by comma: " + ", ".join(jobs.JOBS) + " (default: all)")
    parser.add_argument("--programs", default="", help="fit by these only: " + ", ".join(fit.PROGRAMS))
    parser.add_argument("--runs", type=int, help="of each program (3); the slowest ones run once")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=float, help="seconds after which a fit is given up (1800; 60 with --quick)")
    parser.add_argument("--quick", action="store_true", help="small sizes, one run: is everything there, does it work?")
    parser.add_argument("--out", default=str(HERE.parents[1] / "build" / "bench"),
                        help="where answers are kept (build/bench)")
    parser.add_argument("--data", help="where the data is kept (OUT/data)")
    parser.add_argument("--again", default="", help="programs, or all: measure although there is an answer")
    parser.add_argument("--print", action="store_true", help="what is in --out; measure nothing")
    parser.add_argument("--python", action="append", default=[], metavar="INTERPRETER")
    options = parser.parse_args()
    options.limit = options.limit or (60 if options.quick else 1800)
    options.data = options.data or os.path.join(options.out, "data")
    chosen = [name for name in options.only.split(",") if name] or list(jobs.JOBS)
    for kind, names, there in (("job", chosen, jobs.JOBS), ("program", options.programs.split(","), fit.PROGRAMS)):
        unknown = [name for name in names if name and name not in there]
        if unknown:
            sys.exit(f"run.py: no {kind} {unknown[0]}; there are {', '.join(there)}")
    bench = Bench(options)
    with open(bench.out / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at a time would time each other
        sections = []
        for name in chosen:
            sections.append("\n".join(jobs.JOBS[name](bench, name)))
            bench.say("\n" + sections[-1] + "\n")
    print(bench.heading() + "\n\n" + "\n\n".join(sections))


if __name__ == "__main__":
    main()
