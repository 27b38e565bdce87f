#!/usr/bin/env python3
"""The elastic embedding (Carreira-Perpinan, ICML 2010) as a method written in Python: the gradients are NumPy's.

    E(Z) = sum_ij p_ij |z_i - z_j|^2 + (lambda / n) sum_{i != j} exp(-|z_i - z_j|^2),  sum_ij p_ij = 1

examples/custom_method.c is the same method in C, where the library's own kernels do the work. Here every term is
written out, as one would for a loss that the library has no kernel for. python3 elastic_embedding.py fits three clouds.
"""
import numpy as np

import ne


class ElasticEmbedding(ne.Method):
    name, help, affinity_in = "elastic_embedding", "elastic embedding: springs and repulsion", "entropic"
    options = [{"name": "lambda", "type": "real", "preset": 0.1, "min": 0, "max": 1e9, "flags": "min_open",
                "help": "weight of the repulsion"},
               {"name": "homotopy", "type": "int", "preset": 100, "min": 0, "max": 10**9, "unit": "steps",
                "help": "steps over which the weight grows a hundredfold, to lambda"}]
    presets = {"max_iter": 400, "optimizer": "adam", "lr": 0.1}

    def on_step_begin(self, problem, step, terms):
        left = max(0, 1 - step / self.params.homotopy) if self.params.homotopy else 0
        terms.repulse = getattr(self.params, "lambda") * 0.01**left / problem.n

    @staticmethod
    def springs(problem, z, row0, row1):
        """Rows, weights and differences of the pairs that p holds."""
        start, col, val = problem.affinity_arrays()
        inside = slice(start[row0], start[row1])
        row = np.repeat(np.arange(row0, row1), np.diff(start[row0:row1 + 1]))
        return row, val[inside].astype(float), z[row].astype(float) - z[col[inside]]

    @staticmethod
    def pushes(z, row0, row1):
        """Kernel values and differences of rows row0 to row1 and all rows."""
        apart = z[row0:row1, None].astype(float) - z[None]
        kernel = np.exp(-(apart**2).sum(-1))
        kernel[np.arange(row1 - row0), np.arange(row0, row1)] = 0
        return kernel, apart

    def attractive_gradient(self, problem, z, row0, row1):
        row, p, apart = self.springs(problem, z, row0, row1)
        gradient = np.zeros((row1 - row0, problem.c))
        np.add.at(gradient, row - row0, 4 * p[:, None] * apart)  # each pair stands in two rows
        return gradient

    def attractive_loss(self, problem, z, row0, row1):
        _, p, apart = self.springs(problem, z, row0, row1)
        return (p * (apart**2).sum(1)).sum()

    def repulsive_gradient(self, problem, z, row0, row1):
        kernel, apart = self.pushes(z, row0, row1)
        return -4 * (kernel[:, :, None] * apart).sum(1)

    def repulsive_loss(self, problem, z, row0, row1):
        return self.pushes(z, row0, row1)[0].sum()


def main():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 50)
    x = rng.normal(size=(150, 10)) + 4 * rng.normal(size=(3, 10))[labels]
    ne.register_method(ElasticEmbedding)
    embedding = ne.Embedding("elastic_embedding", perplexity=20)
    report = embedding.start(x).step(50).check_gradient()
    print(f"gradient: off by {report.worst:.1e} of the largest at most, over {report.tried} coordinates")
    y = embedding.fit_transform(x)
    print(f"trustworthiness: {ne.trustworthiness(x, y, 10):.4f}, silhouette: {ne.silhouette(y, labels):.4f}")


if __name__ == "__main__":
    main()
