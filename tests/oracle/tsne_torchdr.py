#!/usr/bin/env python3
"""tsne_torchdr.py > tsne_torchdr.h: steps of TorchDR's TSNE for tests/test_oracle.c.

usage: pip install torchdr==0.5; tests/oracle/tsne_torchdr.py > tests/oracle/tsne_torchdr.h

70 points in three clusters, in double precision and with exact pairs: eight rows of the directed affinity, and the layout after 3
steps, after 8 (across the end of early exaggeration at 5) and after 15.
"""
import sys

import numpy as np
import torch
import torchdr

N, D, PERPLEXITY, EARLY, STEPS = 70, 4, 9, 5, (3, 8, 15)


def array(name, values):
    values = np.asarray(values).ravel()
    rows = [", ".join(f"{v:.9g}" for v in values[i : i + 8]) for i in range(0, len(values), 8)]
    return f"static const double {name}[{len(values)}] = {{\n    " + ",\n    ".join(rows) + "};\n"


def main():
    rng = np.random.default_rng(20)
    x = (rng.normal(size=(N, D)) + 4 * (np.arange(N) % 3)[:, None] * [1, -1, 0.5, 0]).astype(np.float32)
    start = rng.normal(size=(N, 2)).astype(np.float32)
    x64 = torch.tensor(x.astype(np.float64))
    init = torch.tensor(start.astype(np.float64))
    scaling = float(init[:, 0].std())  # TorchDR rescales an array start to this deviation: its own

    affinity = torchdr.EntropicAffinity(perplexity=PERPLEXITY, sparsity=False, backend=None, verbose=False)
    print(f"/* {' '.join(sys.argv[:1]).split('/')[-1]}, torchdr {torchdr.__version__}, torch {torch.__version__.split('+')[0]} */")
    print("/* clang-format off */")
    print(f"enum {{ ORACLE_N = {N}, ORACLE_D = {D}, ORACLE_PERPLEXITY = {PERPLEXITY}, ORACLE_EARLY = {EARLY} }};")
    print(array("oracle_x", x))
    print(array("oracle_init", start))
    p = affinity(x64)
    p = p[0] if isinstance(p, tuple) else p
    print(array("oracle_p_dense", p.numpy()[:8]))
    for steps in STEPS:
        model = torchdr.TSNE(
            perplexity=PERPLEXITY, init=init, init_scaling=scaling, max_iter=steps, early_exaggeration_iter=EARLY,
            backend=None, device="cpu", random_state=0, verbose=False,
        )
        print(array(f"oracle_z_{steps}", model.fit_transform(x64).detach()))


main()
