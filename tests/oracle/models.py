#!/usr/bin/env python3
"""models.py > models.h: what scikit-learn's IncrementalPCA, PCA and KernelPCA and TorchDR's PHATE give on made-up rows.

usage: pip install torchdr==0.5 scikit-learn; tests/oracle/models.py > tests/oracle/models.h

tests/model_data.h makes the same rows: every step of the recipe is exact or rounds in one way only.
"""

import numpy as np

DRAW = 1 << 32


def draws(count, seed):
    """Uniform in [-1/2, 1/2)."""
    values, state = np.empty(count), seed
    for i in range(count):
        state = (state * 1664525 + 1013904223) % DRAW
        values[i] = state / DRAW - 0.5
    return values


def clouds(n, d, seed):
    """Three clouds, less and less wide from column to column, away from the origin."""
    u = draws(n * d, seed).reshape(n, d)
    i, j = np.arange(n)[:, None], np.arange(d)[None, :]
    return u * (8.0 / (1 + j)) + (i % 3) * (j % 2) + 3.0


def tree(n, d, noise, seed):
    """Six arms from one point, with noise."""
    arms, u = draws(6 * d, seed + 1).reshape(6, d) * 8, draws(n * (d + 1), seed).reshape(n, d + 1)
    return arms[np.arange(n) % 6] * (u[:, :1] + 0.5) + noise * u[:, 1:]


def numbers(values):
    return "{" + ", ".join(f"{v:.12g}" for v in np.ravel(values)) + "}"


def stress(z, delta):
    distances = np.sqrt(((z[:, None] - z[None]) ** 2).sum(-1))
    return np.sqrt(((distances - delta) ** 2).sum() / (delta**2).sum())


N, D, MOST = 122, 8, 4
INCREMENTAL = [(0, 3), (25, 4), (50, 3), (40, 1), (61, 2)]  # batch_size (0: none), n_components
KERNELS = [("gaussian", 20.0), ("scalar_product", 1.0)]
# n, d, noise, t, k, seed
PHATES = [(150, 10, 0.5, 20, 5, 1), (200, 10, 2.0, 20, 8, 2), (120, 6, 1.0, 100, 5, 3), (120, 10, 2.0, 20, 5, 7)]


def main():
    import sklearn
    import torch
    import torchdr
    from sklearn.decomposition import PCA, IncrementalPCA, KernelPCA

    x = clouds(N, D, 1)
    print(f"/* tests/oracle/models.h: printed by models.py with scikit-learn {sklearn.__version__}, "
          f"torchdr {torchdr.__version__}\n * and numpy {np.__version__}. */")
    print("/* clang-format off */")
    print(f"enum {{ MODEL_ROWS = {N}, MODEL_COLS = {D}, MODEL_COMPONENTS = {MOST} }};")
    print("""typedef struct linear_case {
    int32_t batch_size, n_components, exact;
    double noise;
    double singular[MODEL_COMPONENTS], variance[MODEL_COMPONENTS], ratio[MODEL_COMPONENTS];
    double mean[MODEL_COLS], components[MODEL_COMPONENTS * MODEL_COLS], first[MODEL_COMPONENTS]; /* coordinates of row 0 */
} linear_case;
static const linear_case linear_cases[] = {""")
    for batch, c in INCREMENTAL:
        for exact in (0, 1):
            model = PCA(c, svd_solver="full") if exact else IncrementalPCA(c, batch_size=batch or None)
            model.fit(x)
            print(f"    {{{batch}, {c}, {exact}, {model.noise_variance_:.12g}, {numbers(model.singular_values_)},")
            print(f"     {numbers(model.explained_variance_)}, {numbers(model.explained_variance_ratio_)},")
            print(f"     {numbers(model.mean_)},\n     {numbers(model.components_)},")
            print(f"     {numbers(model.transform(x[:1]))}}},")
    print("};")
    print("""typedef struct kernel_case {
    const char *affinity;
    double sigma, values[3], old[6], fresh[6]; /* coordinates of rows 0 and 1, and of 2 rows that are new */
} kernel_case;
static const kernel_case kernel_cases[] = {""")
    for name, sigma in KERNELS:
        model = KernelPCA(3, kernel="rbf" if name == "gaussian" else "linear", gamma=1 / sigma, eigen_solver="dense")
        y = model.fit_transform(x)
        print(f'    {{"{name}", {sigma:.12g}, {numbers(model.eigenvalues_)},')
        print(f"     {numbers(y[:2])},\n     {numbers(model.transform(clouds(2, D, 9)))}}},")
    print("};")
    print("""typedef struct phate_case {
    int32_t n, d, t, k;
    uint32_t seed;
    double noise, stress; /* after 1000 steps of Adam */
} phate_case;
static const phate_case phate_cases[] = {""")
    for n, d, noise, t, k, seed in PHATES:
        rows = torch.tensor(tree(n, d, noise, seed))
        model = torchdr.PHATE(k=k, t=t, max_iter=1000, backend=None, device="cpu")
        z = model.fit_transform(rows).detach().numpy()
        delta = -model.affinity_in(rows).detach().numpy()
        print(f"    {{{n}, {d}, {t}, {k}, {seed}, {noise:.12g}, {stress(z, delta):.12g}}},")
    print("};")


if __name__ == "__main__":
    main()
