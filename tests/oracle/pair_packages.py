#!/usr/bin/env python3
"""pair_packages.py > pair_packages.h: losses, gradients and near pairs of the programs of PaCMAP's, LocalMAP's and
TriMap's authors, for tests/test_pacmap.c, test_localmap.c and test_trimap.c.

usage: pip install pacmap==0.9.1 trimap==1.2.0; tests/oracle/pair_packages.py > tests/oracle/pair_packages.h

Random draws differ between programs, so both get the same pairs and triplets, at the same layout.
"""
import io
import contextlib
import sys

import numpy as np

with contextlib.redirect_stdout(io.StringIO()):
    import pacmap.pacmap as pm
    import trimap.trimap_ as tm
    from importlib.metadata import version

N, NEAR, MID, FAR = 40, 4, 2, 6
INLIERS, OUTLIERS, RANDOM = 3, 2, 1
DATA, DIM, EXTRA = 80, 5, 50


def array(kind, name, values):
    values = np.asarray(values).ravel()
    words = [f"{v:d}" if kind == "int32_t" else f"{v:#.9g}" + "f" * (kind == "float") for v in values]
    rows = [", ".join(words[i : i + 12]) for i in range(0, len(words), 12)]
    return f"static const {kind} {name}[{len(words)}] = {{\n    " + ",\n    ".join(rows) + "};\n"


def others(rng, i, count):
    """count rows, distinct and not i."""
    return rng.permutation(np.delete(np.arange(N), i))[:count]


def pairs_of(partners):
    rows = np.repeat(np.arange(N), partners.shape[1])
    return np.stack([rows, partners.ravel()], 1).astype(np.int32)


def main():
    rng = np.random.default_rng(11)
    z = (4 * rng.normal(size=(N, 2))).astype(np.float32)
    drawn = np.array([others(rng, i, NEAR + MID + FAR) for i in range(N)], np.int32)
    near, mid, far = drawn[:, :NEAR], drawn[:, NEAR : NEAR + MID], drawn[:, NEAR + MID :]
    print(f"/* pair_packages.py, pacmap {version('pacmap')}, trimap {version('trimap')} */")
    print("/* clang-format off */")
    print(f"enum {{ PAIR_N = {N}, PAIR_NEAR = {NEAR}, PAIR_MID = {MID}, PAIR_FAR = {FAR}, PAIR_INLIERS = {INLIERS},")
    print(f"       PAIR_OUTLIERS = {OUTLIERS}, PAIR_RANDOM = {RANDOM}, PAIR_DATA = {DATA}, PAIR_DIM = {DIM} }};")
    print(array("float", "pair_z", z))
    print(array("int32_t", "pair_near", near))
    print(array("int32_t", "pair_mid", mid))
    print(array("int32_t", "pair_far", far))

    lists = pairs_of(near), pairs_of(mid), pairs_of(far)
    for name, gradient in (
        ("early", pm.pacmap_grad(z, *lists, np.float32(2), np.float32(501.5), np.float32(1))),
        ("late", pm.pacmap_grad(z, *lists, np.float32(1), np.float32(0), np.float32(1))),
        ("local", pm.pacmap_grad_nearby_recip_sqrt(z, *lists, np.float32(1), np.float32(0), np.float32(1), np.float32(5))),
    ):
        print(f"static const double pair_{name}_loss = {gradient[-1, 0]:.9g};")
        print(array("double", f"pair_{name}_gradient", gradient[:-1]))

    # TriMap: near ends and far ends in the order of its program, near triplets of all rows before the random ones.
    springs = np.array([others(rng, i, INLIERS + RANDOM + INLIERS * OUTLIERS + RANDOM) for i in range(N)], np.int32)
    ends, far_ends = springs[:, : INLIERS + RANDOM], springs[:, INLIERS + RANDOM :]
    weight = rng.uniform(0, 3, size=far_ends.shape).astype(np.float32)
    local, anywhere = [], []
    for i in range(N):
        for t in range(INLIERS * OUTLIERS):
            local.append((i, ends[i, t // OUTLIERS], far_ends[i, t]))
        for t in range(RANDOM):
            anywhere.append((i, ends[i, INLIERS + t], far_ends[i, INLIERS * OUTLIERS + t]))
    triplets = np.array(local + anywhere, np.int32)
    weights = np.concatenate([weight[:, : INLIERS * OUTLIERS].ravel(), weight[:, INLIERS * OUTLIERS :].ravel()])
    gradient = tm.trimap_grad(z, INLIERS, OUTLIERS, triplets, weights.astype(np.float32))
    print(array("int32_t", "pair_springs", springs))
    print(array("float", "pair_weight", weight))
    print(f"static const double pair_triplet_loss = {gradient[-1, 0]:.9g};")
    print(array("double", "pair_triplet_gradient", gradient[:-1]))

    # Near pairs of the programs, from exact neighbors.
    x = (rng.normal(size=(DATA, DIM)) * np.where(np.arange(DATA) % 2, 1, 4)[:, None]).astype(np.float32)
    distance = np.sqrt(((x[:, None].astype(np.float64) - x[None]) ** 2).sum(2)).astype(np.float32)
    order = np.argsort(distance + np.where(np.eye(DATA), -1, 0), axis=1).astype(np.int32)
    found = order[:, 1 : NEAR + EXTRA + 1]
    neighbors, found = found, np.take_along_axis(distance, found, 1)
    radius = np.maximum(found[:, 3:6].mean(1), 1e-10).astype(np.float32)
    chosen = pm.sample_neighbors_pair(x, pm.scale_dist(found, radius, neighbors), neighbors, np.int32(NEAR))
    print(array("float", "pair_x", x))
    print(array("int32_t", "pair_chosen", chosen[:, 1]))
    found = order[:, : INLIERS + EXTRA]
    neighbors, found = found, np.take_along_axis(distance, found, 1)
    radius = np.maximum(found[:, 3:6].mean(1), 1e-10).astype(np.float32)
    similarity = tm.find_p(found, radius, neighbors)
    print(array("int32_t", "pair_inliers", np.take_along_axis(neighbors, np.argsort(-similarity, 1), 1)[:, 1 : INLIERS + 1]))


main()
