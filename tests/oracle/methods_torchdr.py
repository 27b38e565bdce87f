#!/usr/bin/env python3
"""methods_torchdr.py > methods_torchdr.h: TorchDR's methods for tests/test_oracle_methods.c.

usage: pip install torchdr==0.5; tests/oracle/methods_torchdr.py > tests/oracle/methods_torchdr.h

For each method: the objective and its gradient at a start, and the layout ten steps later, in double precision and with
exact pairs. TorchDR's random draws are replaced by libne's (base/random.h), so that both see the same negatives and the
same mid-near candidates:

    negative s of row i at step t           Philox block (seed, stream 4, t, i, s), an integer below the free rows of i
    candidate q of mid-near slot s of i     Philox block (seed, stream 6, t, i, 6 s + q), an integer in [1, n - 2]

The start is put in place as it is: TorchDR would rescale an array. UMAP's weights are rounded to 40 bits: the nearest
neighbor of a row has weight 1 + q - q, and whether rounding leaves that at the largest weight decides whether its edge acts
at the first step.
"""
import contextlib
import inspect
import os
import sys
import warnings

import numpy as np
import torch
import torchdr
from torchdr.utils.manifold import ManifoldParameter, PoincareBallManifold

SEED, STEPS, SMALL, LARGE, D = 7, 10, 60, 150, 8
STREAM_INIT, STREAM_NEGATIVE, STREAM_METHOD = 1, 4, 6


# --- base/random.h, for arrays ---------------------------------------------------------------------------------------

def random_draw(seed, stream, step, row, slot):
    """The first two words of Philox 4x32-10, as uint64 arrays of the shape of row and slot."""
    low = np.uint64(0xFFFFFFFF)
    row, slot = np.broadcast_arrays(np.asarray(row, np.uint64), np.asarray(slot, np.uint64))
    c0, c1 = row & low, row >> np.uint64(32)
    c2, c3 = np.full_like(row, step), slot.copy()
    k0, k1 = seed & 0xFFFFFFFF, (seed >> 32) ^ (stream * 0x85EBCA6B & 0xFFFFFFFF)
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c2 = (p1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0), (p0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1)
        c1, c3 = p1 & low, p0 & low
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1


def random_below(words, bound):
    """((word0 << 32 | word1) * bound) >> 64 for bounds below 2^32."""
    bound = np.asarray(bound, np.uint64)
    carry = (words[1] * bound) >> np.uint64(32)
    return ((words[0] * bound + carry) >> np.uint64(32)).astype(np.int64)


def hyperbolic_start(n, scaling=0.5):
    """libne's start of COSNE: normal numbers (Box & Muller), taken into the ball by tanh(|u|) u / |u|."""
    a, b = ((word.astype(np.float64) + 0.5) / 2.0**32 for word in random_draw(SEED, STREAM_INIT, 0, np.arange(n), 0))
    u = scaling * np.sqrt(-2 * np.log(a)) * np.array([np.cos(2 * np.pi * b), np.sin(2 * np.pi * b)])
    length = np.sqrt((u**2).sum(0))
    return (np.tanh(length) * u / length).T


# --- TorchDR with these draws ------------------------------------------------------------------------------------------

def draw_negatives(model):
    def draw(adjusted, available, count, offset=0):
        rows = np.arange(adjusted.shape[0])[:, None]
        words = random_draw(SEED, STREAM_NEGATIVE, int(model.n_iter_), rows, np.arange(count)[None, :])
        u = torch.tensor(random_below(words, available.numpy()[:, None]))
        return u + torch.searchsorted(adjusted, u, right=True) + offset

    return draw


def draw_flat_negatives(model):
    def draw(source, adjusted, available, offset=0):
        rows = source.numpy()
        slots = np.arange(len(rows)) - np.searchsorted(rows, rows)  # rows ascend: the place within the row
        words = random_draw(SEED, STREAM_NEGATIVE, int(model.n_iter_), rows, slots)
        u = torch.tensor(random_below(words, available.numpy()[rows]))
        return u + torch.searchsorted(adjusted[source], u[:, None], right=True).squeeze(1) + offset

    return draw


@contextlib.contextmanager
def drawn_candidates(model):
    """torch.randint(1, n - 1, (n, 6)), called once for each mid-near slot of a step."""
    own, calls = torch.randint, {}

    def draw(low, high, shape, device=None):
        n, step = shape[0], int(model.n_iter_)
        slot = calls[step] = calls.get(step, -1) + 1
        words = random_draw(SEED, STREAM_METHOD, step, np.arange(n)[:, None], 6 * slot + np.arange(6)[None, :])
        return torch.tensor(low + random_below(words, high - low))

    torch.randint = draw
    try:
        yield
    finally:
        torch.randint = own


def record(kind, x, start, in_ball=False, **options):
    """The objective (NaN where TorchDR has none) and the gradient at start, and the layout after STEPS steps."""
    options = {"max_iter": STEPS, "backend": None, "device": "cpu", "random_state": 0, **options}
    if kind == "AffinityMatcher":  # libne makes P symmetric, which TorchDR does not
        p = torchdr.EntropicAffinity(perplexity=9, sparsity=False, backend=None)(torch.tensor(x))[0]
        x, options["affinity_in"] = ((p + p.T) / 2).numpy(), "precomputed"
    model = getattr(torchdr, kind)(**options)
    first = {}

    def init(_):
        z = torch.tensor(start, dtype=torch.float64)
        if in_ball:
            z = ManifoldParameter(z, requires_grad=True, manifold=PoincareBallManifold(), c=1)
        model.embedding_ = z.requires_grad_()
        return model.embedding_

    def step():
        model.optimizer_.zero_grad(set_to_none=True)
        if getattr(model, "_use_closed_form_gradients", False):
            loss, model.embedding_.grad = float("nan"), model._compute_gradients()
        else:
            loss = model._compute_loss()
            loss.backward()
        if not first:
            first["loss"], first["gradient"] = float(loss), model.embedding_.grad.clone()
        model.optimizer_.step()
        if model.scheduler_ is not None:
            model.scheduler_.step()

    def round_weights():
        if kind == "UMAP":
            model.affinity_in_ = torch.round(model.affinity_in_ * 2.0**40) / 2.0**40
        type(model).on_affinity_computation_end(model)

    model._init_embedding, model._training_step = init, step
    model.on_affinity_computation_end = round_weights
    model._draw_with_exclusions = draw_negatives(model)
    model._draw_flat_with_exclusions = draw_flat_negatives(model)
    with drawn_candidates(model):
        end = model.fit_transform(torch.tensor(x, dtype=torch.float64))
    return first["loss"], first["gradient"].numpy(), end.detach().numpy()


# --- The problem -------------------------------------------------------------------------------------------------------

def data():
    """Three clusters; numbers that a float holds."""
    rng = np.random.default_rng(20)
    centres = np.array([[1, -1, 0.5, 0, 1, 0, -0.5, 0.25]])
    x = rng.normal(size=(LARGE, D)) + 2 * (np.arange(LARGE) % 3)[:, None] * centres
    start = rng.normal(size=(LARGE, 2))
    return tuple(a.astype(np.float32).astype(np.float64) for a in (x, start, hyperbolic_start(SMALL)))


# TorchDR's 100 steps of Adam leave the symmetric affinity unsolved; libne solves it, and that is what both are given here.
SOLVED = {"min_grad_norm": 0, "max_iter_affinity_in": 30000, "tol_affinity_in": 1e-7}

# name: class, size of the problem, options. Learning rates are set where the default throws the points far apart (SNE,
# COSNE) or turns float's rounding into 1e-1 (UMAP) in ten steps, and phases are short so that ten steps see all of them.
CASES = {
    "sne": ("SNE", SMALL, {"perplexity": 9, "lr": 4.0}),
    "tsne": ("TSNE", SMALL, {"perplexity": 9, "early_exaggeration_iter": 4}),
    "cosne": ("COSNE", SMALL, {"perplexity": 9, "lr": 0.05, "in_ball": True}),
    "cosne_array": ("COSNE", SMALL, {"perplexity": 9, "lr": 0.01}),  # an array is no point of the ball for TorchDR
    "tsnekhorn": ("TSNEkhorn", SMALL, {"perplexity": 9, **SOLVED}),
    "tsnekhorn_unrolling": ("TSNEkhorn", SMALL, {"perplexity": 9, **SOLVED, "unrolling": True}),
    "infotsne": ("InfoTSNE", SMALL, {"perplexity": 9, "n_negatives": 20, "early_exaggeration_iter": 4}),
    "largevis": ("LargeVis", SMALL, {"perplexity": 9}),
    "largevis_exclude": ("LargeVis", SMALL, {"perplexity": 5, "exclude_neighbors_from_negative_sampling": True}),
    "umap": ("UMAP", SMALL, {"n_neighbors": 9, "lr": 0.1}),
    "umap_exclude": ("UMAP", SMALL, {"n_neighbors": 9, "lr": 0.1, "exclude_neighbors_from_negative_sampling": True}),
    "matcher_cross": ("AffinityMatcher", SMALL, {"affinity_out": torchdr.NormalizedStudentAffinity(), "lr": 0.1,
                                                 "loss_fn": "cross_entropy_loss"}),
    "matcher_square": ("AffinityMatcher", SMALL, {"affinity_out": torchdr.NormalizedGaussianAffinity(normalization_dim=1),
                                                  "lr": 0.1, "loss_fn": "square_loss"}),
    "pacmap": ("PACMAP", LARGE, {"iter_per_phase": 3}),
}

# Optimizers and schedulers, on TSNE across the end of exaggeration, where TorchDR starts both again.
OPTIMIZERS = {
    "sgd": (20.0, "SGD", {"momentum": 0.7, "nesterov": True, "weight_decay": 1e-3}, "StepLR", {"step_size": 3, "gamma": 0.5}),
    "dampened": (20.0, "SGD", {"momentum": 0.7, "dampening": 0.2}, "LinearLR", "auto"),
    "adam": (0.3, "Adam", {"amsgrad": True, "weight_decay": 1e-2}, "LinearLR", {"start_factor": 0.5, "total_iters": 3}),
    "adamw": (0.3, "AdamW", {"betas": (0.8, 0.99)}, "ExponentialLR", {"gamma": 0.8}),
    "adagrad": (0.5, "Adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 1e-3}, "CosineAnnealingLR",
                {"T_max": 8, "eta_min": 0.05}),
    "rmsprop": (0.1, "RMSprop", {"alpha": 0.9, "momentum": 0.5, "centered": True}, None, None),
}
SPACE = {"sne": SMALL, "cosne_array": SMALL, "tsnekhorn": SMALL, "infotsne": SMALL, "largevis": SMALL, "umap": SMALL,
         "matcher_cross": SMALL, "pacmap": 100}  # rows, of the gradient in three columns
COSNE_SCALE = 0.25  # of the data: the method compares its squared norms with distances in the ball


def array(name, values):
    values = np.asarray(values).ravel()
    rows = [", ".join(f"{v:.9g}" for v in values[i : i + 8]) for i in range(0, len(values), 8)]
    return f"static const double {name}[{len(values)}] = {{\n    " + ",\n    ".join(rows) + "};\n"


# Parameters that are no options: what TorchDR runs on, and what "reference" or another name stands for.
ELSEWHERE = {"self", "kwargs", "device", "backend", "compile", "distributed", "input_layout", "verbose", "random_state",
             "optimizer_kwargs", "scheduler_kwargs", "affinity_in", "affinity_out", "kwargs_affinity_out", "kwargs_loss",
             "encoder"}


def defaults(kind):
    """Name and default of each constructor parameter, as libne's options write them; None, "chosen elsewhere", left out."""
    for name, parameter in inspect.signature(getattr(torchdr, kind).__init__).parameters.items():
        value = parameter.default
        if name not in ELSEWHERE and value not in (None, inspect.Parameter.empty):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            yield name, {"LinearLR": "linear", "SGD": "sgd", "Adam": "adam"}.get(text, text)


def main():
    warnings.simplefilter("ignore")
    x, start, ball = data()
    versions = f"torchdr {torchdr.__version__}, torch {torch.__version__.split('+')[0]}"
    print(f"/* {os.path.basename(sys.argv[0])}, {versions} */")
    print("/* clang-format off */")
    print(f"enum {{ METHODS_SMALL = {SMALL}, METHODS_LARGE = {LARGE}, METHODS_D = {D}, METHODS_STEPS = {STEPS}, "
          f"METHODS_SEED = {SEED} }};")
    print(f"#define METHODS_COSNE_SCALE {COSNE_SCALE}")
    print(array("methods_x", x) + array("methods_start", start) + array("methods_ball", ball))
    rows = [f'{{"{method}", "{name}", "{value}"}}' for method, kind in
            dict((kind.lower().replace("affinitym", "affinity_m"), kind) for kind, _, _ in CASES.values()).items()
            for name, value in defaults(kind)]
    print(f"static const char *const methods_defaults[{len(rows)}][3] = {{\n    " + ",\n    ".join(rows) + "};\n")
    for name, (kind, n, options) in CASES.items():
        from_ball = kind == "COSNE"
        rows = x[:n] * (COSNE_SCALE if from_ball else 1)
        loss, gradient, end = record(kind, rows, ball if from_ball else start[:n], **options)
        print(f"{name}: loss {loss:.6g}, gradient norm {np.linalg.norm(gradient):.3g}, "
              f"largest coordinate {np.abs(end).max():.3g}", file=sys.stderr)
        print(f"#define METHODS_{name.upper()}_LOSS {'NAN' if np.isnan(loss) else format(loss, '.12g')}")
        print(array(f"{name}_gradient", gradient) + array(f"{name}_end", end))
    for name, n in SPACE.items():
        kind, _, options = CASES[name]
        scale, size = (COSNE_SCALE, 0.2) if kind == "COSNE" else (1, 1)
        place = size * start.ravel()[: 3 * n].reshape(n, 3)
        loss, gradient, _ = record(kind, x[:n] * scale, place, **{**options, "n_components": 3})
        print(f"#define METHODS_{name.upper()}_SPACE_LOSS {'NAN' if np.isnan(loss) else format(loss, '.12g')}")
        print(array(f"{name}_space", gradient))
    for name, (lr, optimizer, options, scheduler, settings) in OPTIMIZERS.items():
        _, _, end = record("TSNE", x[:SMALL], start[:SMALL], perplexity=9, early_exaggeration_iter=4, lr=lr,
                           optimizer=optimizer, optimizer_kwargs=options, scheduler=scheduler, scheduler_kwargs=settings)
        print(f"{name}: largest coordinate {np.abs(end).max():.3g}", file=sys.stderr)
        print(array(f"{name}_end", end))


if __name__ == "__main__":
    main()
