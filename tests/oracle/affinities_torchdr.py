#!/usr/bin/env python3
"""affinities_torchdr.py > affinities_torchdr.h: rows of TorchDR's affinities for tests/test_affinity_oracle.c.

usage: pip install torchdr==0.5; tests/oracle/affinities_torchdr.py > tests/oracle/affinities_torchdr.h

200 points in three clusters, in double precision, each affinity under two metrics with settings at which TorchDR's own solvers
converge, over all pairs and, where it has that form, over neighbors; four rows of each. A tolerance is relative, and the largest
entry times 1e-7 is let pass on top. With them every parameter of the constructors and its default.
"""
import inspect
import sys

import numpy as np
import torch
import torchdr
from torchdr import affinity as ta

N, D, ROWS = 200, 5, (0, 66, 133, 199)
SOLVER = dict(max_iter=20000)


def array(name, values, kind="double", form="{:.9g}"):
    values = np.asarray(values).ravel()
    rows = [", ".join(form.format(v) for v in values[i : i + 8]) for i in range(0, len(values), 8)]
    return f"static const {kind} {name}[{len(values)}] = {{\n    " + ",\n    ".join(rows) + "};\n"


def cases(metric):
    common = dict(metric=metric, backend=None, device="cpu")
    yield "entropic", "perplexity=8 symmetrize=false", 2e-5, ta.EntropicAffinity(perplexity=8, sparsity=False, **common)
    # under manhattan 8,000 steps leave its rows and entropies off by 2.5e-4
    yield "symmetric_entropic", "perplexity=8 zero_diag=false", 2e-5 if metric == "sqeuclidean" else 2e-3, ta.SymmetricEntropicAffinity(
        perplexity=8, zero_diag=False, lr=0.1, tol=1e-6, max_iter=8000, **common)
    yield "sinkhorn", "eps=4", 5e-6, ta.SinkhornAffinity(eps=4, tol=1e-11, **SOLVER, **common)
    yield "sinkhorn", "eps=1 base_kernel=student", 5e-6, ta.SinkhornAffinity(
        eps=1, base_kernel="student", tol=1e-11, **SOLVER, **common)
    yield "doubly_stochastic_quadratic", "eps=20", 5e-6, ta.DoublyStochasticQuadraticAffinity(
        eps=20, lr=0.05, tol=1e-8, **SOLVER, **common)
    yield "normalized_gaussian", "sigma=3", 5e-6, ta.NormalizedGaussianAffinity(sigma=3, **common)
    yield "normalized_gaussian", "sigma=3 normalization_dim=columns", 5e-6, ta.NormalizedGaussianAffinity(
        sigma=3, normalization_dim=0, **common)
    yield "normalized_student", "degrees_of_freedom=2 normalization_dim=rows", 5e-6, ta.NormalizedStudentAffinity(
        degrees_of_freedom=2, normalization_dim=1, **common)
    yield "self_tuning", "K=5 scaling=ref", 5e-6, ta.SelfTuningAffinity(K=5, **common)
    yield "magic", "K=5", 5e-6, ta.MAGICAffinity(K=5, **common)
    yield "phate", "k=5 t=3", 5e-5, ta.PHATEAffinity(k=5, t=3, **common)
    yield "umap", "n_neighbors=10", 1e-5, ta.UMAPAffinity(n_neighbors=10, sparsity=False, **common)
    yield "entropic", "perplexity=8 symmetrize=false zero_diag=false", 2e-5, ta.EntropicAffinity(
        perplexity=8, sparsity=False, zero_diag=False, **common)
    yield "umap", "n_neighbors=10 zero_diag=false", 1e-5, ta.UMAPAffinity(
        n_neighbors=10, sparsity=False, zero_diag=False, **common)
    yield "umap", "n_neighbors=10 symmetrize=false zero_diag=false", 1e-5, ta.UMAPAffinity(
        n_neighbors=10, sparsity=False, symmetrize=False, zero_diag=False, **common)
    yield "entropic", "perplexity=8 symmetrize=false sparsity=true", 2e-5, ta.EntropicAffinity(perplexity=8, **common)
    yield "umap", "n_neighbors=10 symmetrize=false sparsity=true", 1e-5, ta.UMAPAffinity(
        n_neighbors=10, symmetrize=False, **common)
    yield "umap", "n_neighbors=10 sparsity=true", 1e-5, ta.UMAPAffinity(n_neighbors=10, **common)


def dense(p):
    """n x n, of values and the columns that they are for, -1 where there is none."""
    if not isinstance(p, tuple):
        return p.detach().numpy()
    if p[1] is None:
        return p[0].detach().numpy()
    whole = np.zeros((N, N))
    for i, (values, columns) in enumerate(zip(p[0].numpy(), p[1].numpy())):
        whole[i, columns[columns >= 0]] = values[columns >= 0]
    return whole


CLASSES = {
    "entropic": ta.EntropicAffinity, "symmetric_entropic": ta.SymmetricEntropicAffinity, "sinkhorn": ta.SinkhornAffinity,
    "doubly_stochastic_quadratic": ta.DoublyStochasticQuadraticAffinity, "normalized_gaussian": ta.NormalizedGaussianAffinity,
    "normalized_student": ta.NormalizedStudentAffinity, "self_tuning": ta.SelfTuningAffinity, "magic": ta.MAGICAffinity,
    "phate": ta.PHATEAffinity, "umap": ta.UMAPAffinity, "pacmap": ta.PACMAPAffinity,
}


def defaults():
    """Affinity, name and default of each parameter; axes both of them are called all, as in libne."""
    for affinity, kind in CLASSES.items():
        for name, parameter in inspect.signature(kind.__init__).parameters.items():
            if name != "self":
                value = parameter.default
                text = "all" if value == (0, 1) else str(value).lower() if isinstance(value, bool) else str(value)
                yield affinity, name, text


def main():
    rng = np.random.default_rng(7)
    x = (1.2 * rng.normal(size=(N, D)) + 3 * (np.arange(N) % 3)[:, None] * [1, -1, 0.5, 0, 0]).astype(np.float32)
    x64 = torch.tensor(x.astype(np.float64))
    table = []
    print(f"/* affinities_torchdr.py, torchdr {torchdr.__version__}, torch {torch.__version__.split('+')[0]} */")
    print("/* clang-format off */")
    print(f"enum {{ ORACLE_N = {N}, ORACLE_D = {D}, ORACLE_ROWS = {len(ROWS)} }};")
    print(array("oracle_row", ROWS, "int", "{}"))
    print(array("oracle_x", x))
    for metric in ("sqeuclidean", "manhattan"):
        for name, options, tolerance, affinity in cases(metric):
            print(name, options, metric, file=sys.stderr)
            p = affinity(x64, return_indices=True) if "sparsity=true" in options else affinity(x64)
            variable = f"oracle_{len(table)}"
            print(array(variable, dense(p)[list(ROWS)]))
            table.append(f'    {{"{name}", "{options} metric={metric}", {tolerance:g}, {variable}}}')
    near = ta.PACMAPAffinity(n_neighbors=10, backend=None, device="cpu")(x64, return_indices=True)[1]
    print(array("oracle_pacmap", near.numpy()[list(ROWS)], "int", "{}"))
    rows = [f'    {{"{affinity}", "{name}", "{value}"}}' for affinity, name, value in defaults()]
    print(f"static const char *const oracle_defaults[{len(rows)}][3] = {{\n" + ",\n".join(rows) + "};\n")
    print("static const struct {\n    const char *name, *options;\n    double tolerance;\n    const double *rows;\n} oracle_cases[] = {")
    print(",\n".join(table) + "};")


main()
