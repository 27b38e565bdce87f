#!/usr/bin/env python3
"""Scores by scikit-learn and scipy, printed as the C table in scores.h: python3 scores.py > scores.h

The data are whole numbers of a linear congruential generator over 2^31, so that C and Python have the same bits.
"""
import numpy as np
import scipy
import scipy.stats
import sklearn
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.neighbors import NearestNeighbors

ROWS, COLS, CLASSES = 331, 23, 5


def generate(count, state=1):
    numbers = []
    for _ in range(count):
        state = (1103515245 * state + 12345) % 2**31
        numbers.append(state / 2**31)
    return numbers


def main():
    numbers = generate(ROWS * COLS + ROWS)
    x = np.array(numbers[:ROWS * COLS], dtype=np.float32).reshape(ROWS, COLS)
    labels = np.array([int(v * CLASSES) for v in numbers[ROWS * COLS:]])
    x[:, :3] += 2 * labels[:, None].astype(np.float32) / CLASSES
    y = x[:, :2]
    print("/* tests/oracle/scores.h: what other libraries say; printed by scores.py with "
          f"scikit-learn {sklearn.__version__},")
    print(f" * scipy {scipy.__version__} and numpy {np.__version__}. */")
    print("enum {")
    print(f"    ORACLE_ROWS    = {ROWS},")
    print(f"    ORACLE_COLS    = {COLS},")
    print(f"    ORACLE_CLASSES = {CLASSES}")
    print("};")
    print()
    print("static const struct {")
    print("    size_t k;")
    print("    double trustworthiness, preservation, accuracy, agreement;")
    print("} oracle_scores[] = {")
    for k in (1, 5, 15, (ROWS - 1) // 2):
        near_x, near_y = (NearestNeighbors(n_neighbors=k, algorithm="brute").fit(a.astype(float)).kneighbors(
            return_distance=False) for a in (x, y))
        shared = np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(near_x, near_y)])
        winner = scipy.stats.mode(labels[near_y], axis=1).mode  # of equal counts the smallest
        print(f"    {{{k}, {trustworthiness(x.astype(float), y.astype(float), n_neighbors=k):.12f}, {shared:.12f}, "
              f"{np.mean(winner == labels):.12f}, {np.mean(labels[near_y] == labels[:, None]):.12f}}},")
    print("};")
    print()
    print("static const struct {")
    print("    const char *metric;")
    print("    double of_x, of_y;")
    print("} oracle_silhouettes[] = {")
    for metric in ("euclidean", "manhattan", "sqeuclidean", "chebyshev", "cosine"):
        print(f'    {{"{metric}", {silhouette_score(x.astype(float), labels, metric=metric):.12f}, '
              f"{silhouette_score(y.astype(float), labels, metric=metric):.12f}}},")
    print("};")
    print()
    print("static const struct {")
    print("    size_t classes; /* of the other labels: column 3 in as many steps, or the label modulo 3 */")
    print("    double rand;")
    print("} oracle_rand[] = {")
    for classes in (1, 2, 3, 40):
        other = labels % classes if classes == 3 else (x[:, 3].astype(float) * classes).astype(int)
        print(f"    {{{classes}, {adjusted_rand_score(labels, other):.12f}}},")
    print("};")


if __name__ == "__main__":
    main()
