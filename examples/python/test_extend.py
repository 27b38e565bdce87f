#!/usr/bin/env python3
"""Metrics, affinities and methods of Python: python3 test_extend.py. NE_LIBRARY says which libne.so, NE_TEST_PLUGIN
which shared object of tests/plugin/."""
import ctypes
import gc
import os
import unittest
import weakref

import numpy as np

import elastic_embedding
import ne
import ne_extend
import ne_library
from test_ne import clusters, distances, nearest


class Weighted:
    """A metric that counts its calls."""

    calls = 0

    def __call__(self, a, b):
        Weighted.calls += 1
        if np.isnan(a).any():
            raise RuntimeError("never")
        return float(np.abs(a - b).sum())


class Extending(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        ne.register_metric("my_manhattan", "sum |a - b|, in Python", Weighted())

        def faulty(a, b):
            raise ZeroDivisionError("in the metric")

        ne.register_metric("my_fault", "raises an exception", faulty)
        ne.register_affinity(
            "my_cauchy", "Cauchy kernel of all pairs",
            kernel=lambda params, s: (1 / (1 + s / params.width), 1 / (params.width + s)),
            options=[{"name": "width", "type": "real", "preset": 1, "min": 0, "flags": "min_open", "help": "width"}])
        ne.register_method(Spring)
        ne.register_method(Faulty)
        ne.register_method(Columns)
        ne.register_method(Watched)

    def test_a_metric_of_python_finds_the_same_neighbors(self):
        x, _ = clusters(each=20)
        for data in (x, x.astype(float)):
            mine = ne.Graph(n_neighbors=5, metric="my_manhattan").build(data).neighbors()
            its = ne.Graph(n_neighbors=5, metric="manhattan").build(data).neighbors()
            np.testing.assert_array_equal(mine[0], its[0])
            np.testing.assert_allclose(mine[1], its[1], rtol=1e-6)
        self.assertGreater(Weighted.calls, 0)
        self.assertIn("my_manhattan", ne.types("metric"))

    def test_an_exception_in_a_metric_comes_out_of_the_search(self):
        with self.assertRaisesRegex(ZeroDivisionError, "in the metric"):
            ne.Graph(n_neighbors=5, metric="my_fault").build(clusters(each=20)[0])
        ne.Graph(n_neighbors=5).build(clusters(each=20)[0])  # nothing of it is left over

    def test_names_are_taken_once(self):
        with self.assertRaisesRegex(ne.NeError, "taken"):
            ne.register_metric("euclidean", "again", max)

    def test_a_method_of_python_minimises_its_loss(self):
        x, _ = clusters(each=20)
        losses = []
        embedding = ne.Embedding("my_spring", max_iter=60, perplexity=5, lr=1, momentum=0.5, gains=False, init="random",
                                 init_scaling=1, progress=lambda phase, step, steps, loss, norm: losses.append(loss))
        y = embedding.fit_transform(x)
        losses = [loss for loss in losses if not np.isnan(loss)]
        self.assertEqual(len(losses), 60)
        self.assertTrue((np.diff(losses[5:]) < 0).all())
        self.assertEqual(y.shape, (60, 2))
        self.assertEqual(Spring.seen["order"].shape, (60,))
        self.assertEqual(sorted(Spring.seen["order"]), list(range(60)))
        self.assertAlmostEqual(Spring.seen["sum"], 1, delta=1e-5)
        self.assertEqual(Spring.seen["steps"], 60)
        self.assertEqual(Spring.seen["stiffness"], 1.0)
        self.assertEqual(Spring.seen["mode"], "soft")

    def test_an_exception_in_a_hook_comes_out_of_the_fit(self):
        with self.assertRaisesRegex(LookupError, "in the hook"):
            ne.Embedding("my_fault", perplexity=5).fit_transform(clusters(each=20)[0])

    def test_a_map_of_python_has_transform_and_arrays(self):
        x, _ = clusters(each=20)
        columns = ne.Embedding("my_columns")
        np.testing.assert_array_equal(columns.fit_transform(x), x[:, :2])
        np.testing.assert_array_equal(columns.transform(x[:5]), x[:5, :2])
        np.testing.assert_array_equal(columns.mean, x.mean(0, dtype=float))
        with self.assertRaisesRegex(ne.NeError, "inverse|back"):
            columns.inverse_transform(x[:, :2])
        columns.fit_transform(x)  # takes the place of the first
        self.assertEqual(len(Columns.alive), 1)
        del columns
        gc.collect()
        self.assertEqual(len(Columns.alive), 0)

    def test_an_affinity_of_python_serves_the_stock_kernels(self):
        x, _ = clusters(each=20)
        fits = []
        for name in ("my_cauchy_sne", "tsne"):
            if name != "tsne":
                ne.register_method(type("Sne", (ne.Method,), {
                    "name": name, "help": "t-SNE by the kernel of Python", "affinity_in": "entropic",
                    "affinity_out": "my_cauchy"}))
            fits.append(ne.Embedding(name, perplexity=5, max_iter=20, repulsion="exact", early_exaggeration_coeff=12,
                                     early_exaggeration_iter=10, momentum=.5).fit_transform(x))
        np.testing.assert_allclose(*fits, atol=1e-3 * np.abs(fits[1]).max())


    def test_hooks_of_a_step_come_in_their_order_and_their_terms_are_in_force(self):
        x, _ = clusters(each=20)
        Watched.seen.clear()
        fits = {}
        for repulse in (1.0, 0.0):
            Watched.repulse = repulse
            fits[repulse] = ne.Embedding("my_watched", perplexity=5, max_iter=3, init="random").fit_transform(x)
        self.assertEqual(Watched.seen[:11], ["plan", "affinity"] + [f"{name} {step}" for step in range(3)
                                                                 for name in ("begin", "before", "end")])
        self.assertNotEqual(fits[1.0].tobytes(), fits[0.0].tobytes())
        self.assertEqual(Watched.draws[0], Watched.draws[1])
        self.assertEqual(len(set(Watched.draws)), 2)
        np.testing.assert_array_equal(Watched.x, x)

    def test_a_method_without_an_affinity_asks_for_neighbors(self):
        x, _ = clusters(each=20)
        ne.register_method(Near)
        y = ne.Embedding("my_near", max_iter=5, init="random", optimizer="sgd", lr=1).fit_transform(x)
        start, col, val = Near.graph
        np.testing.assert_array_equal(start, 4 * np.arange(61))
        by_caller = np.empty((60, 4), int)
        by_caller[Near.order] = Near.order[col.reshape(-1, 4)]
        np.testing.assert_array_equal(np.sort(by_caller, 1), np.sort(nearest(x, 4), 1))
        self.assertTrue(np.isfinite(y).all())

    def test_losses_of_hooks_are_reported_and_checked(self):
        x, _ = clusters(each=20)
        ne.register_method(elastic_embedding.ElasticEmbedding)
        losses = []
        embedding = ne.Embedding("elastic_embedding", perplexity=5, max_iter=20, track_loss=True,
                                 progress=lambda phase, step, steps, loss, norm: losses.append(loss))
        report = embedding.start(x).step(5).check_gradient()
        self.assertLess(report.worst, 1e-4)
        self.assertEqual(report.tried, 120)
        self.assertTrue(np.isfinite(report.loss))

        class Stock(ne.Method):  # the same terms by the library's kernels
            name, help, affinity_in, affinity_out = "my_elastic", "elastic embedding", "entropic", "gaussian"
            options, presets = elastic_embedding.ElasticEmbedding.options, elastic_embedding.ElasticEmbedding.presets
            on_step_begin = elastic_embedding.ElasticEmbedding.on_step_begin

            def plan(self, problem, terms):
                terms.normalised, terms.repulsion = ne_extend.UNNORMALISED, ne_extend.EXACT

        ne.register_method(Stock)
        stock = ne.Embedding("my_elastic", perplexity=5, max_iter=20, track_loss=True).start(x).step(5)
        self.assertAlmostEqual(stock.check_gradient().loss, report.loss, delta=1e-5 * abs(report.loss))
        np.testing.assert_allclose(stock.step(5).read(), embedding.step(5).read(), atol=1e-4)
        wrong = type("Wrong", (elastic_embedding.ElasticEmbedding,), {
            "name": "my_wrong", "repulsive_gradient": lambda self, problem, z, row0, row1:
            1.1 * elastic_embedding.ElasticEmbedding.repulsive_gradient(self, problem, z, row0, row1)})
        ne.register_method(wrong)
        self.assertGreater(ne.Embedding("my_wrong", perplexity=5).start(x).step(5).check_gradient().worst, 1e-3)

    def test_a_map_of_python_may_go_back(self):
        x, _ = clusters(each=20)
        ne.register_method(Halves)
        halves = ne.Embedding("my_halves")
        y = halves.fit_transform(x)
        np.testing.assert_array_equal(y, x[:, :2] / 2)
        back = halves.inverse_transform(y)
        np.testing.assert_array_equal(back[:, :2], x[:, :2])
        self.assertTrue((back[:, 2:] == 0).all())

    def test_weights_of_python_are_an_input_affinity(self):
        x, _ = clusters(each=20)

        def weights(params, n, d):
            return np.exp(-d / d[0]), d[0]

        def by_pairs(params, d):
            near = np.sort(d, 1)[:, 1:2]  # its own distance, 0, comes first
            p = np.exp(-d / near)
            p[d > np.sort(d, 1)[:, 7:8]] = 0
            np.fill_diagonal(p, 0)
            return p

        ne.register_affinity("my_weights", "exp(-d / d_1) of 7 neighbors", neighbors=lambda params, n: 7,
                             weights=weights)
        mine = ne.Affinity("my_weights", metric="euclidean", symmetrize=False)
        start, col, val = mine.compute(x).csr()
        index = nearest(x, 7)
        near = np.take_along_axis(distances(x), index, 1)
        want = np.exp(-near / near[:, :1])
        order = np.argsort(index, 1)
        np.testing.assert_array_equal(col.reshape(-1, 7), np.take_along_axis(index, order, 1))
        got = val.reshape(-1, 7) / val.reshape(-1, 7).sum(1, keepdims=True)
        want = np.take_along_axis(want, order, 1)
        np.testing.assert_allclose(got, want / want.sum(1, keepdims=True), rtol=1e-5)
        np.testing.assert_allclose(mine.array("bandwidth"), near[:, 0], rtol=1e-6)
        ne.register_method(type("Weighed", (ne.Method,), {
            "name": "my_weighed", "help": "t-SNE of these weights", "affinity_in": "my_weights",
            "affinity_out": "student"}))
        self.assertTrue(np.isfinite(ne.Embedding("my_weighed", max_iter=20).fit_transform(x)).all())


class Watched(ne.Method):
    """Springs alone, whose repulsion is set in before_gradient; one thread calls these hooks."""

    name, help, affinity_in, affinity_out = "my_watched", "says when it is called", "entropic", "student"
    seen, draws, repulse = [], [], 1.0

    def plan(self, problem, terms):
        self.seen.append("plan")
        terms.normalised, terms.repulsion = ne_extend.OVER_PAIRS, ne_extend.EXACT

    def on_affinity_computed(self, problem):
        self.seen.append("affinity")
        Watched.draws = [problem.draw(3, 5, 1), problem.draw(3, 5, 1), problem.draw(3, 5, 2)]
        Watched.x = problem.x_array().copy()

    def on_step_begin(self, problem, step, terms):
        self.seen.append(f"begin {step}")

    def before_gradient(self, problem, step, z, terms):
        self.seen.append(f"before {step}")
        assert z.shape == (problem.n, problem.c) and np.isfinite(z).all()
        terms.repulse *= self.repulse

    def on_step_end(self, problem, step, z):
        self.seen.append(f"end {step}")


class Near(ne.Method):
    """Each row is pulled to the origin; what counts is the graph that it asked for."""

    name, help = "my_near", "has neighbors and no affinity"

    @staticmethod
    def neighbors(params, n):
        return 4

    def on_affinity_computed(self, problem):
        Near.graph = [a.copy() for a in problem.distance_arrays()]
        Near.order = problem.order_array().copy()

    def whole_loss(self, problem, z, row0, row1):
        return (z[row0:row1].astype(float)**2).sum() / problem.n, 2 * z[row0:row1] / problem.n


class Halves(ne.Method):
    name, help = "my_halves", "half of the first columns"
    options = [{"name": "n_components", "type": "int", "preset": 2, "min": 1, "max": 9, "help": "columns"}]

    def fit(self, x):
        self.columns = x.shape[1]
        return x[:, :self.params.n_components] / 2

    def inverse_transform(self, y):
        return np.concatenate([2 * y, np.zeros((len(y), self.columns - y.shape[1]))], 1)


@unittest.skipUnless(os.environ.get("NE_TEST_PLUGIN"), "NE_TEST_PLUGIN names no plug-in")
class Plugin(unittest.TestCase):
    """tests/plugin/plugin_methods.c: one method built in, in C from outside, and in Python, has the same bits."""

    @classmethod
    def setUpClass(cls):
        cls.plugin = ctypes.CDLL(os.environ["NE_TEST_PLUGIN"])
        ne_library.call(cls.plugin.plugin_register)
        floats, whole, index = (ctypes.POINTER(t) for t in (ctypes.c_float, ctypes.c_int64, ctypes.c_int32))
        size, loss = ctypes.c_size_t, ctypes.POINTER(ctypes.c_double)
        cls.plugin.plugin_attract.argtypes = [size, whole, index, floats, floats, size, size, floats, loss]
        cls.plugin.plugin_repel.argtypes = [size, size, index, index, floats, size, size, floats, loss]
        cls.plugin.plugin_attract.restype = cls.plugin.plugin_repel.restype = None

    def fit(self, name, **options):
        return ne.Embedding(name, perplexity=15, max_iter=120, **options).fit_transform(clusters()[0])

    def test_tsne_is_the_same_by_all_three_doors(self):
        ne.register_method(type("Tsne", (ne.Method,), {
            "name": "python_tsne", "help": "t-SNE, from Python", "affinity_in": "entropic", "affinity_out": "student",
            "presets": {"early_exaggeration_coeff": 6, "early_exaggeration_iter": 75},
            "plan": lambda self, problem, terms: (setattr(terms, "normalised", ne_extend.OVER_PAIRS),
                                                  setattr(terms, "momentum", 0.9)) and None}))
        for options in ({}, {"repulsion": "exact", "n_components": 3, "init": "random"}):
            built_in = self.fit("tsne", **options)
            self.assertEqual(self.fit("plugin_tsne", **options).tobytes(), built_in.tobytes())
            self.assertEqual(self.fit("python_tsne", **options).tobytes(), built_in.tobytes())

    def test_hooks_of_one_arithmetic_have_the_same_bits_from_c_and_from_python(self):
        plugin = self.plugin

        class Springs(ne.Method):
            name, help, affinity_in = "python_springs", "every hook, from Python", "entropic"

            def plan(self, problem, terms):
                terms.normalised, terms.repulsion = ne_extend.UNNORMALISED, ne_extend.NONE

            def before_gradient(self, problem, step, z, terms):
                row, n = np.arange(problem.n), problem.n
                shift = 1 + problem.draw(step, 0, 0)[0] % (n - 1)
                self.to, self.drawn_by = ((row + s) % n for s in (shift, n - shift))
                self.to, self.drawn_by = self.to.astype(np.int32), self.drawn_by.astype(np.int32)

            @staticmethod
            def pointer(array):
                return array.ctypes.data_as(ctypes.POINTER(np.ctypeslib.as_ctypes_type(array.dtype)))

            def attract(self, problem, z, row0, row1, gradient, loss):
                arrays = [self.pointer(a) for a in problem.affinity_arrays()]
                plugin.plugin_attract(problem.c, *arrays, self.pointer(z), row0, row1, gradient, loss)

            def repel(self, problem, z, row0, row1, gradient, loss):
                plugin.plugin_repel(problem.n, problem.c, self.pointer(self.to), self.pointer(self.drawn_by),
                                    self.pointer(z), row0, row1, gradient, loss)

            def gradient(self, function, problem, z, row0, row1):
                made = np.empty_like(z)
                function(problem, z, row0, row1, self.pointer(made), None)
                return made[row0:row1]

            def loss(self, function, problem, z, row0, row1):
                value = ctypes.c_double()
                function(problem, z, row0, row1, None, ctypes.byref(value))
                return value.value

            def attractive_gradient(self, *arguments):
                return self.gradient(self.attract, *arguments)

            def repulsive_gradient(self, *arguments):
                return self.gradient(self.repel, *arguments)

            def attractive_loss(self, *arguments):
                return self.loss(self.attract, *arguments)

            def repulsive_loss(self, *arguments):
                return self.loss(self.repel, *arguments)

        ne.register_method(Springs)
        losses = {"plugin_springs": [], "python_springs": []}
        fits = [self.fit(name, track_loss=True,
                         progress=lambda phase, step, steps, loss, norm, said=losses[name]: said.append(loss))
                for name in losses]
        self.assertEqual(fits[0].tobytes(), fits[1].tobytes())
        np.testing.assert_array_equal(*losses.values())
        self.assertGreater(np.isfinite(losses["plugin_springs"]).sum(), 0)
        x = clusters(each=20)[0]
        for name in losses:
            self.assertLess(ne.Embedding(name, perplexity=5).start(x).step(3).check_gradient().worst, 1e-3)


class Spring(ne.Method):
    """sum_ij p_ij |z_i - z_j|^2 + sum_i (|z_i|^2 - 1)^2 / n"""

    name, help, affinity_in = "my_spring", "springs on a circle", "entropic"
    presets = {"early_exaggeration_iter": 0}
    options = [{"name": "stiffness", "type": "real", "preset": 1, "min": 0, "max": 9, "help": "weight of the springs"},
               {"name": "mode", "type": "choice", "preset": "soft", "choices": "hard|soft", "help": "a word"}]
    seen = {}

    def plan(self, problem, terms):
        Spring.seen.update(stiffness=self.params.stiffness, mode=self.params.mode, steps=0)

    def on_affinity_computed(self, problem):
        self.start, self.col, self.val = (a.copy() for a in problem.affinity_arrays())
        Spring.seen.update(order=problem.order_array().copy(), sum=float(self.val.sum()))

    def on_step_end(self, problem, step, z):
        Spring.seen["steps"] = step + 1

    def whole_loss(self, problem, z, row0, row1):
        inside = slice(self.start[row0], self.start[row1])
        row = np.repeat(np.arange(row0, row1), np.diff(self.start[row0:row1 + 1]))
        apart = z[row].astype(float) - z[self.col[inside]]
        gradient = np.zeros((row1 - row0, problem.c))
        np.add.at(gradient, row - row0, 4 * self.params.stiffness * self.val[inside, None] * apart)
        own = z[row0:row1].astype(float)
        beyond = (own ** 2).sum(1) - 1
        gradient += 4 * beyond[:, None] * own / problem.n
        loss = self.params.stiffness * (self.val[inside] * (apart ** 2).sum(1)).sum() + (beyond ** 2).sum() / problem.n
        return loss, gradient


class Faulty(ne.Method):
    name, help, affinity_in = "my_fault", "raises an exception", "entropic"

    def attractive_gradient(self, problem, z, row0, row1):
        raise LookupError("in the hook")

    def repulsive_gradient(self, problem, z, row0, row1):
        return np.zeros((row1 - row0, problem.c))


class Columns(ne.Method):
    name, help = "my_columns", "the first columns"
    options = [{"name": "n_components", "type": "int", "preset": 2, "min": 1, "max": 9, "help": "columns"}]
    alive = weakref.WeakSet()

    def __init__(self):
        Columns.alive.add(self)

    def fit(self, x):
        self.arrays = {"mean": x.mean(0, dtype=float)}
        return self.transform(x)

    def transform(self, x):
        return x[:, :self.params.n_components]


if __name__ == "__main__":
    unittest.main()
