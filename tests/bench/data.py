"""The data of the benchmark, each made once as NAME.npy (float32), with NAME.labels.npy beside it.

    fashion-70k    Fashion-MNIST (Xiao et al. 2017), training images, then test images: 70,000 x 784, from the IDX files
    fashion-10k    its first 10,000 rows; fashion-500 its first 500
    wordnet        glosses of nouns as text vectors: see wordnet.py
    clustered-1m   1,000,000 x 50: 200 clusters of 8 dimensions each and noise; clustered-10k and so on its first rows

A name that ends in -quick is the same, small. data.py NAME DIR makes one.
"""
import gzip
import os
import pathlib
import sys

import numpy as np

FASHION = os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist")
QUICK = {"fashion-10k": 2000, "fashion-70k": 5000, "fashion-500": 500, "wordnet": 5000, "clustered-10k": 2000,
         "clustered-30k": 4000, "clustered-100k": 8000, "clustered-300k": 16000, "clustered-1m": 32000}
CHUNK = 10000


def idx(kind, header):
    parts = []
    for part in ("train", "t10k"):
        files = sorted(pathlib.Path(FASHION).glob(f"{part}-{kind}*"))
        if not files:
            sys.exit(f"data.py: no {part}-{kind} file in {FASHION}: install dataset-fashion-mnist, "
                     "or let FASHION_MNIST say where it is")
        opener = gzip.open if files[0].suffix == ".gz" else open
        with opener(files[0], "rb") as file:
            parts.append(np.frombuffer(file.read(), np.uint8, offset=header))
    return np.concatenate(parts)


def fashion(rows):
    return idx("images", 16).reshape(-1, 784)[:rows], idx("labels", 8)[:rows]


def clustered(rows, columns=50, clusters=200, inner=8):
    """The first rows are the same for every number of them: each chunk has its own random numbers."""
    rng = np.random.default_rng(0)
    center = 2 * rng.normal(size=(clusters, columns)).astype(np.float32)
    width = rng.uniform(0.3, 1.2, clusters).astype(np.float32)
    basis = 0.5 * rng.normal(size=(clusters, inner, columns)).astype(np.float32)
    x, labels = np.empty((rows, columns), np.float32), np.empty(rows, np.int64)
    for first in range(0, rows, CHUNK):
        rng = np.random.default_rng([1, first])
        label = rng.integers(0, clusters, CHUNK)
        inside = np.einsum("ni,nij->nj", rng.normal(size=(CHUNK, inner)).astype(np.float32), basis[label])
        noise = 0.3 * rng.normal(size=(CHUNK, columns)).astype(np.float32)
        chunk = center[label] + width[label, None] * (inside + noise)
        x[first:first + CHUNK], labels[first:first + CHUNK] = chunk[:rows - first], label[:rows - first]
    return x, labels


def count(text):
    return int(text.replace("k", "000").replace("m", "000000"))


def make(name, folder):
    """The path of NAME.npy in folder, made now if it is not there."""
    path = pathlib.Path(folder) / f"{name}.npy"
    if path.exists():
        return path
    base = name.removesuffix("-quick")
    family, _, size = base.partition("-")
    rows = QUICK[base] if base != name else count(size) if size else None
    if family == "fashion":
        x, labels = fashion(rows)
    elif family == "wordnet":
        import wordnet

        x, labels = wordnet.make()
        if rows:
            some = np.linspace(0, len(x) - 1, rows).astype(int)
            x, labels = x[some], labels[some]
    elif family == "clustered":
        x, labels = clustered(rows)
    else:
        sys.exit(f"data.py: {name}: no such data")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path.with_suffix(".labels.npy"), np.asarray(labels, np.int64))
    np.save(path.with_name(f"{name}.part.npy"), np.ascontiguousarray(x, np.float32))
    os.replace(path.with_name(f"{name}.part.npy"), path)
    return path


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print(make(*sys.argv[1:]))
