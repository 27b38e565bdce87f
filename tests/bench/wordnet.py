#!/usr/bin/env python3
"""wordnet.py OUT.npy [--labels L.npy]: the glosses of WordNet's nouns (Debian's wordnet-base) as vectors.

A gloss is cut before its first example. Words that occur in fewer than five glosses do not count; glosses with fewer
than four that do are left out, and of equal ones the first stays. Rows of TF-IDF, of unit length, with
idf = log((1 + n) / (1 + documents)) + 1, are projected on their first 100 right singular vectors (randomised, 7 rounds,
fixed seed) and scaled to unit length again, so that euclidean neighbors are those by cosine. The spectrum is flat, and
many glosses nearly agree ("a city in ..."): what images of clothes are not. Labels are WordNet's 26 lexicographer files
of nouns (animal, food, person, ...).
needs: numpy, scipy.
"""
import argparse
import pathlib
import re
import sys

import numpy as np
import scipy.sparse as sparse

WORDNET = "/usr/share/wordnet"
RARE, SHORT, COMPONENTS = 5, 4, 100


def glosses(folder):
    """(gloss, lexicographer file) of every noun synset, in the file's order."""
    path = pathlib.Path(folder) / "data.noun"
    if not path.exists():
        sys.exit(f"wordnet.py: no {path}: apt-get install wordnet-base, or --wordnet DIR")
    for line in path.read_text(encoding="latin-1").splitlines():
        if not line.startswith(" "):
            fields, _, gloss = line.partition(" | ")
            yield re.split(r';? "', gloss)[0], int(fields.split()[1])


def counts(folder):
    """Sparse matrix of how often each word is in each gloss kept, and the labels."""
    kept, labels = {}, []
    texts = [(tuple(re.findall(r"[a-z0-9]{2,}", gloss.lower())), label) for gloss, label in glosses(folder)]
    documents = {}
    for words, _ in texts:
        for word in set(words):
            documents[word] = documents.get(word, 0) + 1
    for words, label in texts:
        known = tuple(word for word in words if documents[word] >= RARE)
        if len(known) >= SHORT and known not in kept:
            kept[known] = len(kept)
            labels.append(label)
    column = {word: j for j, word in enumerate(sorted(word for word, count in documents.items() if count >= RARE))}
    row = np.repeat(np.arange(len(kept)), [len(words) for words in kept])
    col = np.array([column[word] for words in kept for word in words])
    shape = (len(kept), len(column))
    return sparse.csr_matrix((np.ones(len(row)), (row, col)), shape), np.array(labels, np.int64)


def scaled(x):
    length = np.sqrt(x.multiply(x).sum(1) if sparse.issparse(x) else (x * x).sum(1, keepdims=True))
    length = np.maximum(np.asarray(length), 1e-12)
    return sparse.diags(1 / length.ravel()) @ x if sparse.issparse(x) else x / length


def make(folder=WORDNET):
    """x (n x 100, float32) and labels."""
    count, labels = counts(folder)
    documents = np.bincount(count.indices, minlength=count.shape[1])
    x = scaled(count @ sparse.diags(np.log((1 + count.shape[0]) / (1 + documents)) + 1)).tocsr()
    basis = np.random.default_rng(0).normal(size=(x.shape[1], COMPONENTS + 10))
    for _ in range(7):
        basis = np.linalg.qr(x.T @ np.linalg.qr(x @ basis)[0])[0]
    left, value, _ = np.linalg.svd(x @ basis, full_matrices=False)
    return scaled((left * value)[:, :COMPONENTS]).astype(np.float32), labels


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--labels")
    parser.add_argument("--wordnet", default=WORDNET, metavar="DIR")
    options = parser.parse_args()
    x, labels = make(options.wordnet)
    np.save(options.out, x)
    if options.labels:
        np.save(options.labels, labels)
    print(f"{x.shape[0]:,} x {x.shape[1]}, {len(set(labels.tolist()))} labels", file=sys.stderr)


if __name__ == "__main__":
    main()
