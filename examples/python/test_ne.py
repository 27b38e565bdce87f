#!/usr/bin/env python3
"""The module from outside, but for what Python adds to it: python3 test_ne.py, with numpy and nothing else.
NE_LIBRARY says which libne.so."""
import contextlib
import gc
import io
import os
import re
import tempfile
import threading
import unittest
import warnings

import numpy as np

import ne
import ne_extend
import ne_library

HEADER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "include", "ne.h")


def clusters(each=80, d=12, count=3, seed=1, apart=8):
    """Well separated Gaussian clouds and their labels."""
    rng = np.random.default_rng(seed)
    centres = apart * rng.normal(size=(count, d)) / np.sqrt(2)
    labels = np.repeat(np.arange(count), each)
    return (centres[labels] + rng.normal(size=(count * each, d))).astype(np.float32), labels


def distances(x):
    x = np.asarray(x, float)
    return np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1))


def nearest(x, k):
    """The k nearest other rows; ties go to the smaller index, as in a stable sort."""
    d = distances(x)
    np.fill_diagonal(d, np.inf)
    return np.argsort(d, axis=1, kind="stable")[:, :k]


class Tables(unittest.TestCase):
    """What the module mirrors of ne.h, member by member."""

    def test_structs_have_the_members_of_the_header(self):
        if not os.path.exists(HEADER):
            self.skipTest("include/ne.h is not beside the module")
        with open(HEADER, encoding="utf-8") as file:
            header = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
        for struct in (ne_library.ne_dense, ne_library.ne_csr, ne_library.ne_score_options,
                       ne_library.ne_gradient_report, ne_extend.ne_solution, ne_extend.ne_option, ne_extend.ne_preset,
                       ne_extend.ne_problem, ne_extend.ne_terms, ne_extend.ne_metric_ops, ne_extend.ne_affinity_ops,
                       ne_extend.ne_method_ops):
            body = re.search(r"typedef struct %s \{(.*?)\} %s;" % (struct.__name__, struct.__name__), header, re.S)[1]
            names = []
            for member in body.split(";"):
                hook = re.search(r"\(\*(\w+)\)\(", member)
                names += [hook[1]] if hook else re.findall(r"(\w+)\s*(?:,|$)", member.strip())
            self.assertEqual([field[0] for field in struct._fields_], names, struct.__name__)

    def test_functions_of_the_header_are_exported(self):
        if not os.path.exists(HEADER):
            self.skipTest("include/ne.h is not beside the module")
        with open(HEADER, encoding="utf-8") as file:
            for name in re.findall(r"^NE_API [^(]*?\*?(ne_\w+)\(", file.read(), re.M):
                getattr(ne_library.lib, name)


class Fit(unittest.TestCase):
    def test_clusters_stay_together_and_come_apart(self):
        x, labels = clusters()
        embedding = ne.Embedding("tsne", perplexity=20, max_iter=300)
        y = embedding.fit_transform(x)
        self.assertEqual((y.shape, y.dtype), ((len(x), 2), np.float32))
        d = distances(y)
        same = labels[:, None] == labels[None]
        self.assertLess(d[same].max(), d[~same].min() * 3)
        self.assertEqual(ne.knn_accuracy(y, labels, 10), 1)
        self.assertEqual(embedding.n_iter, 300)
        self.assertIsInstance(embedding.n_iter, int)
        self.assertEqual(embedding.bandwidth.shape, (len(x),))
        self.assertTrue((embedding.bandwidth > 0).all())
        self.assertGreater(embedding.kl, 0)
        self.assertGreaterEqual(embedding.seconds, embedding.seconds_optimize)

    def test_the_reported_kl_is_that_of_the_definition(self):
        x, _ = clusters(each=40)
        embedding = ne.Embedding("tsne", perplexity=10, max_iter=50)
        y = embedding.fit_transform(x).astype(float)
        start, col, val = ne.Affinity("entropic", perplexity=10, symmetrize=False).compute(x).csr()
        p = np.zeros((len(x), len(x)))
        p[np.repeat(np.arange(len(x)), np.diff(start)), col] = val
        p = (p + p.T) / (p + p.T).sum()
        q = 1 / (1 + distances(y) ** 2)
        np.fill_diagonal(q, 0)
        q /= q.sum()
        own = p > 0
        self.assertAlmostEqual(embedding.kl, (p[own] * np.log(p[own] / q[own])).sum(), delta=1e-5)

    def test_one_seed_gives_one_answer_at_any_number_of_threads(self):
        x, _ = clusters()
        fits = [ne.Embedding("tsne", context=ne.Context(threads=threads), max_iter=60, init="random",
                             random_state=7).fit_transform(x) for threads in (1, 2, 3)]
        self.assertEqual(fits[0].tobytes(), fits[1].tobytes())
        self.assertEqual(fits[0].tobytes(), fits[2].tobytes())
        other = ne.Embedding("tsne", max_iter=60, init="random", random_state=8).fit_transform(x)
        self.assertNotEqual(fits[0].tobytes(), other.tobytes())

    def test_doubles_and_strides_are_read_and_written_in_place(self):
        x, _ = clusters()
        plain = ne.Embedding("tsne", max_iter=30).fit_transform(x.astype(float), out=np.empty((len(x), 2), np.float32))
        wide = np.full((len(x), 20), np.nan, np.float64)
        wide[:, 3:15] = x
        room = np.full((len(x), 5), 77.0)
        y = ne.Embedding("tsne", max_iter=30).fit_transform(wide[:, 3:15], out=room[:, 1:3])
        self.assertEqual(y.dtype, np.float64)
        self.assertTrue(np.shares_memory(y, room))
        self.assertTrue((room[:, [0, 3, 4]] == 77).all())
        np.testing.assert_array_equal(y, plain)
        view = ne_library.as_view(wide[:, 3:15], "x")
        self.assertIs(view.array.base, wide)
        self.assertEqual((view.rows, view.cols, view.stride), (len(x), 12, 20))

    def test_arrays_that_c_cannot_read_are_copied(self):
        x, _ = clusters(each=20)
        want = ne.knn_preservation(x, x[:, :2], 5)
        for other in (np.asfortranarray(x), x[::-1][::-1], x.astype(">f4"), np.repeat(x, 2, 1)[:, ::2], x.tolist()):
            self.assertEqual(ne.knn_preservation(other, x[:, :2], 5), want)
        whole = np.round(x * 10).astype(np.int16)
        self.assertEqual(ne.knn_preservation(whole, x[:, :2], 5), ne.knn_preservation(whole.astype(float), x[:, :2], 5))
        for bad in (x + 1j, np.array([["a", "b"]]), np.array([[None, 1]])):
            with self.assertRaises(TypeError):
                ne.knn_preservation(bad, x[:, :2], 5)
        with self.assertRaises(ValueError):
            ne.knn_preservation(x[0], x[:, :2], 5)

    def test_out_must_be_writable_as_it_is(self):
        x, _ = clusters(each=20)
        fixed = np.zeros((60, 2), np.float32)
        fixed.flags.writeable = False
        for out in (np.zeros((60, 2), np.int32), np.zeros((2, 60), np.float32).T, fixed, [[0, 0]] * 60):
            with self.assertRaises(ValueError):
                ne.Embedding("pca").fit_transform(x, out=out)

    def test_an_array_can_be_the_start(self):
        x, _ = clusters()
        start = np.random.default_rng(0).normal(size=(len(x), 2))
        y = ne.Embedding("tsne", init=start, max_iter=0).fit_transform(x)
        np.testing.assert_array_equal(y, start.astype(np.float32))

    def test_pieces_make_the_whole(self):
        x, _ = clusters()
        whole = ne.Embedding("tsne", max_iter=40).fit_transform(x)
        pieces = ne.Embedding("tsne", max_iter=40).start(x)
        for k in (1, 5, 30, 10):
            pieces.step(k)
        self.assertEqual(pieces.n_iter, 40)
        self.assertEqual(pieces.read().tobytes(), whole.tobytes())

    def test_a_graph_takes_the_place_of_the_data(self):
        x, labels = clusters()
        graph = ne.Graph(n_neighbors=60, metric="sqeuclidean").build(x)
        self.assertEqual(graph.kind, "distances")
        want = ne.Embedding("tsne", perplexity=20, max_iter=50).fit_transform(x)
        embedding = ne.Embedding("tsne", perplexity=20, max_iter=50)
        self.assertEqual(embedding.fit_graph(graph, x).tobytes(), want.tobytes())
        with self.assertWarns(ne.NeWarning):
            y = ne.Embedding("tsne", perplexity=20).fit_graph(graph)
        self.assertEqual(ne.knn_accuracy(y, labels, 10), 1)

    def test_progress_is_reported_and_may_read(self):
        x, _ = clusters()
        seen = []

        def progress(phase, step, steps, loss, gradient_norm):
            if phase in ("exaggeration", "optimize"):
                seen.append((phase, step, steps, embedding.read().copy()))

        embedding = ne.Embedding("tsne", progress=progress, max_iter=20, early_exaggeration_iter=5)
        y = embedding.fit_transform(x)
        want = [("exaggeration" if t <= 5 else "optimize", t, 20) for t in range(1, 21)]
        self.assertEqual([s[:3] for s in seen], want)
        np.testing.assert_array_equal(seen[-1][3], y)

    def test_a_callback_can_stop_the_fit(self):
        x, _ = clusters()
        embedding = ne.Embedding("tsne", progress=lambda phase, step, *_: phase == "exaggeration" and step == 7)
        with self.assertRaises(ne.Cancelled) as caught:
            embedding.fit_transform(x)
        self.assertEqual(caught.exception.status_name, "NE_CANCELLED")
        self.assertEqual(embedding.n_iter, 7)
        want = ne.Embedding("tsne").start(x).step(7).read()
        np.testing.assert_array_equal(caught.exception.embedding, want)

    def test_an_exception_in_a_callback_comes_out_of_the_fit(self):
        x, _ = clusters()

        def progress(phase, step, *_):
            if step == 3:
                raise KeyError("mine")

        embedding = ne.Embedding("tsne", progress=progress)
        with self.assertRaisesRegex(KeyError, "mine"):
            embedding.fit_transform(x)
        self.assertEqual(embedding.n_iter, 3)
        interrupted = ne.Embedding("tsne", progress=lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with self.assertRaises(KeyboardInterrupt):
            interrupted.fit_transform(x)
        ne.Embedding("tsne", max_iter=3).fit_transform(x)  # nothing of it is left over

    def test_two_threads_fit_at_a_time(self):
        x, _ = clusters()
        want = ne.Embedding("tsne", max_iter=40).fit_transform(x)
        made = {}

        def fit(name):
            def progress(phase, step, *_):
                if name % 2 and step == 20:
                    raise ValueError(name)

            try:
                made[name] = ne.Embedding("tsne", progress=progress, max_iter=40).fit_transform(x)
            except ValueError as error:
                made[name] = error.args[0]

        threads = [threading.Thread(target=fit, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name in range(4):
            if name % 2:
                self.assertEqual(made[name], name)
            else:
                self.assertEqual(made[name].tobytes(), want.tobytes())


class Options(unittest.TestCase):
    def test_values_come_back_as_they_went_in(self):
        embedding = ne.Embedding("tsne", perplexity=12, metric="cosine", gains=False, random_state=None, lr="auto")
        self.assertEqual(embedding.get("perplexity"), 12)
        self.assertEqual(embedding.get("metric"), "cosine")
        self.assertIs(embedding.get("gains"), False)
        self.assertEqual(embedding.get("random_state"), "none")
        self.assertEqual(embedding.get("lr"), "auto")
        embedding.set(lr=np.float32(2.5), max_iter=np.int64(17), gains=np.True_)
        self.assertEqual((embedding.get("lr"), embedding.get("max_iter"), embedding.get("gains")), (2.5, 17, True))
        with self.assertRaises(TypeError):
            embedding.set(lr=[1])

    def test_errors_carry_the_text_of_the_library(self):
        with self.assertRaisesRegex(ne.NeError, "did you mean 'perplexity'") as caught:
            ne.Embedding("tsne", perplexty=3)
        self.assertEqual((caught.exception.status, caught.exception.status_name), (2, "NE_UNKNOWN_NAME"))
        with self.assertRaisesRegex(ne.NeError, "did you mean 'tsne'"):
            ne.Embedding("tnse")
        with self.assertRaisesRegex(ne.NeError, "perplexity: 0 is outside") as caught:
            ne.Embedding("tsne", perplexity=0)
        self.assertEqual(caught.exception.status_name, "NE_OUT_OF_RANGE")
        with self.assertRaisesRegex(ne.NeError, "did you mean 'perplexity'"):
            ne.Embedding("tsne").get("perplexit")
        x, _ = clusters(each=10)
        x[3, 7] = np.nan
        with self.assertRaisesRegex(ne.NeError, "x: row 3, column 7 is nan"):
            ne.Embedding("tsne", perplexity=5).fit_transform(x)
        with self.assertRaisesRegex(AttributeError, "nothing has been fitted"):
            ne.Embedding("tsne").kl
        with self.assertRaisesRegex(AttributeError, "unknown option 'lk'"):
            ne.Embedding("tsne").lk

    def test_help_is_made_from_the_table(self):
        rows = {row["name"]: row for row in ne.Embedding("tsne").options()}
        self.assertEqual(rows["perplexity"]["type"], "real")
        self.assertTrue(all(row["help"] and row["default"] for row in rows.values()))
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            ne.help("tsne")
        for row in rows.values():
            self.assertIn(f"{row['name']} = {row['default']}", printed.getvalue())
            self.assertIn(row["help"], printed.getvalue())
        self.assertIn("tsne", ne.types("method"))
        self.assertIn("cosine", ne.types("metric"))

    def test_the_log_goes_where_the_context_says(self):
        x, _ = clusters(each=20)
        said = []
        context = ne.Context(log=lambda level, text: said.append((level, text)))
        ne.Embedding("tsne", context=context, perplexity=5, max_iter=20, verbose=True,
                     check_interval=10).fit_transform(x)
        self.assertTrue(said and all(level == 2 and "step" in text for level, text in said))
        graph = ne.Graph(n_neighbors=20).build(x)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with self.assertRaises(ne.NeWarning):
                ne.Embedding("tsne", perplexity=5, max_iter=5).fit_graph(graph)

    def test_memory_goes_back_when_objects_do(self):
        x, _ = clusters(each=20)
        for _ in range(3):
            embedding = ne.Embedding("tsne", perplexity=5, max_iter=5)
            embedding.fit_transform(x)
            graph = ne.Affinity("entropic", perplexity=5).compute(x)
            del embedding
            gc.collect()
            self.assertEqual(graph.result("rows"), 60)  # its context is alive with it


class Pca(unittest.TestCase):
    def test_it_is_the_svd_of_the_centred_data(self):
        # Products of floats are summed in float within a block; components magnify that where eigenvalues are near.
        for dtype, tolerance in ((np.float64, 1e-10), (np.float32, 1e-4)):
            x = clusters(d=9)[0].astype(dtype)
            pca = ne.Embedding("pca", n_components=4)
            y = pca.fit_transform(x)
            u, s, vt = np.linalg.svd(x.astype(float) - x.mean(0, dtype=float), full_matrices=False)
            signs = np.sign(vt[np.arange(9), np.abs(vt).argmax(1)])
            self.assertEqual(y.dtype, dtype)
            np.testing.assert_allclose(y, (u * s * signs)[:, :4], atol=tolerance * s[0])
            np.testing.assert_allclose(pca.components, (vt * signs[:, None])[:4], atol=tolerance)
            np.testing.assert_allclose(pca.explained_variance, s[:4] ** 2 / (len(x) - 1), rtol=tolerance)
            np.testing.assert_allclose(pca.mean, x.mean(0, dtype=float), atol=1e-12 * np.abs(x).max())
            np.testing.assert_allclose(pca.transform(x[:7]), y[:7], atol=tolerance * s[0])
            back = ne.Embedding("pca", n_components=9)
            np.testing.assert_allclose(back.inverse_transform(back.fit_transform(x)), x, atol=tolerance * s[0])

    def test_what_it_cannot_do_is_said(self):
        x, _ = clusters(each=10)
        with self.assertRaises(ne.NeError) as caught:
            ne.Embedding("pca").transform(x)
        self.assertEqual(caught.exception.status_name, "NE_NOT_FITTED")
        with self.assertRaises(ne.NeError) as caught:
            ne.Embedding("pca").start(x)
        self.assertEqual(caught.exception.status_name, "NE_UNSUPPORTED")


class Rows(unittest.TestCase):
    """Rows that arrive in blocks, lie in a file, or are sparse."""

    def sparse(self):
        try:
            import scipy.sparse
        except ImportError:
            self.skipTest("scipy is not there")
        rng = np.random.default_rng(3)
        x = np.where(rng.random((150, 40)) < .2, rng.normal(size=(150, 40)), 0).astype(np.float32)
        x[:50, :5] += 3
        return x, scipy.sparse

    def test_partial_fits_make_a_whole_one(self):
        x, _ = clusters(each=60)
        whole, parts = (ne.Embedding("incremental_pca", n_components=3) for _ in range(2))
        whole.fit_transform(x.astype(float))
        for block in np.array_split(x.astype(float), 4):
            parts.partial_fit(block)
        self.assertEqual(parts.components.shape, (3, x.shape[1]))
        np.testing.assert_allclose(parts.mean, x.astype(float).mean(0), rtol=1e-12, atol=1e-12)
        # Each is the whole SVD up to what the merges cut off, which in these data is the noise: its share is below 1e-3.
        np.testing.assert_allclose(np.abs(parts.components @ whole.components.T)[:2, :2], np.eye(2), atol=2e-2)
        self.assertEqual(parts.explained_variance_ratio.shape, (3,))
        self.assertEqual(parts.noise_variance.shape, (1,))
        with self.assertRaisesRegex(ne.NeError, "all rows at once"):
            ne.Embedding("tsne").partial_fit(x)

    def test_memory_is_estimated_before_a_fit(self):
        embedding = ne.Embedding("tsne")
        small, large = embedding.estimate_memory(1000, 50), embedding.estimate_memory(8000, 50)
        self.assertGreater(small, 1000 * 90 * 4)  # three times the perplexity, a float each
        self.assertGreater(large, 6 * small)
        self.assertGreater(embedding.estimate_memory(1000, 5000, np.float64), small)
        with self.assertRaises(MemoryError):
            embedding.estimate_memory(2**62, 2**10)
        sparse = embedding.estimate_memory(8000, 5000, entries=400000)
        self.assertGreater(sparse, 8000 * 90 * 8 + 400000 * 8)  # distances and their columns, and a copy of x
        self.assertLess(sparse, embedding.estimate_memory(8000, 5000, entries=800000))
        with self.assertRaisesRegex(ne.NeError, "there is room for 10 x 5"):
            embedding.estimate_memory(10, 5, entries=51)

    def test_a_store_stands_for_its_rows(self):
        x, _ = clusters(each=50)
        store = ne.Store(x[i:i + 40] for i in range(0, len(x), 40))
        self.assertEqual((store.shape, len(store)), (x.shape, len(x)))
        np.testing.assert_array_equal(store.array(), x)
        options = dict(perplexity=10, max_iter=50, knn="exact")
        y = ne.Embedding("tsne", **options).fit_transform(store)
        self.assertEqual(y.dtype, np.float32)
        np.testing.assert_array_equal(y, ne.Embedding("tsne", **options).fit_transform(x))
        np.testing.assert_array_equal(ne.Graph(n_neighbors=5, knn="exact").build(store).neighbors()[0], nearest(x, 5))
        store.append(x.astype(float)[:3])
        self.assertEqual(len(store), len(x) + 3)
        np.testing.assert_array_equal(store.array()[-3:], x[:3])

    def test_a_store_refuses_what_does_not_fit_and_keeps_what_it_has(self):
        store = ne.Store([np.ones((3, 4), np.float32)])
        with self.assertRaisesRegex(ne.NeError, "5"):
            store.append(np.ones((2, 5), np.float32))
        bad = np.ones((2, 4))
        bad[1, 2] = np.nan
        with self.assertRaisesRegex(ne.NeError, "row 4, column 2"):
            store.append(bad)
        np.testing.assert_array_equal(store.array(), np.ones((3, 4)))
        with self.assertRaisesRegex(ValueError, "no rows"):
            ne.Embedding("tsne").fit_transform(ne.Store())
        with self.assertRaisesRegex(ne.NeError, "none/of/these"):
            ne.Store([bad[:1]], folder="none/of/these")

    def test_a_mapped_file_is_read_where_it_lies(self):
        x, _ = clusters(each=50)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.npy")
            np.save(path, x)
            mapped = np.load(path, mmap_mode="r")
            self.assertEqual(ne_library.as_view(mapped, "x").place, 2)
            self.assertEqual(ne_library.as_view(mapped[10:, 2:5], "x").place, 2)
            self.assertEqual(ne_library.as_view(np.load(path, mmap_mode="c"), "x").place, 0)
            self.assertEqual(ne_library.as_view(mapped[:, ::2], "x").place, 0)  # a copy
            self.assertEqual(ne_library.as_view(mapped + 1, "x").place, 0)
            options = dict(perplexity=10, max_iter=50, knn="exact")
            out = np.lib.format.open_memmap(os.path.join(folder, "y.npy"), "w+", np.float32, (len(x), 2))
            y = ne.Embedding("tsne", **options).fit_transform(mapped, out=out)
            np.testing.assert_array_equal(y, ne.Embedding("tsne", **options).fit_transform(x))

    def test_sparse_rows_are_those_with_their_zeros(self):
        x, sparse = self.sparse()
        dense = ne.Graph(n_neighbors=7, knn="exact", metric="euclidean").build(x).neighbors()
        for kind in (sparse.csr_matrix, sparse.csc_matrix, sparse.coo_array, sparse.csr_array):
            found = ne.Graph(n_neighbors=7, metric="euclidean").build(kind(x.astype(float))).neighbors()
            np.testing.assert_array_equal(found[0], dense[0])
            np.testing.assert_allclose(found[1], dense[1], rtol=1e-5)  # of 40 squares in float
        y = ne.Embedding("tsne", perplexity=10, max_iter=300).fit_transform(sparse.csr_matrix(x))
        self.assertEqual((y.shape, y.dtype), ((150, 2), np.float32))
        labels = (np.arange(150) < 50).astype(int)
        self.assertGreater(ne.knn_accuracy(y, labels, 5), 0.9)

    def test_pca_of_sparse_rows(self):
        x, sparse = self.sparse()
        whole, few = (ne.Embedding("pca", n_components=2) for _ in range(2))
        y = whole.fit_transform(x.astype(float))
        z = few.fit_transform(sparse.csr_matrix(x.astype(float)))
        self.assertEqual(z.dtype, np.float64)
        np.testing.assert_allclose(z, y, atol=1e-3 * np.abs(y).max())
        np.testing.assert_allclose(few.mean, x.mean(0), atol=1e-5)
        np.testing.assert_allclose(few.transform(sparse.csr_matrix(x.astype(float))[:9]), z[:9], atol=1e-4)

    def test_places_named_twice_are_added_up(self):
        x, sparse = self.sparse()
        csr = sparse.csr_matrix(x)
        twice = sparse.csr_matrix((np.repeat(csr.data / 2, 2), np.repeat(csr.indices, 2), csr.indptr * 2), csr.shape)
        entries = twice.nnz
        found = [ne.Graph(n_neighbors=7).build(matrix).csr() for matrix in (csr, twice)]
        for one, other in zip(*found):
            np.testing.assert_array_equal(one, other)
        self.assertEqual(twice.nnz, entries)  # the caller's is as it was

    def test_what_needs_zeros_says_so(self):
        x, sparse = self.sparse()
        csr = sparse.csr_matrix(x)
        with self.assertRaisesRegex(TypeError, "toarray"):
            ne.trustworthiness(csr, x[:, :2], 5)
        with self.assertRaisesRegex(ne.NeError, "chebyshev"):
            ne.Graph(metric="chebyshev").build(csr)
        csr.data[0] = np.nan
        with self.assertRaisesRegex(ne.NeError, "row 0"):
            ne.Graph().build(csr)


class Graphs(unittest.TestCase):
    def test_they_are_saved_and_read(self):
        x, _ = clusters(each=30)
        graph = ne.Graph(n_neighbors=6, metric="cosine").build(x)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.graph")
            again = ne.Graph.read(graph.save(path) and path)
            self.assertEqual(again.kind, "distances")
            for one, other in zip(graph.csr(), again.csr()):
                np.testing.assert_array_equal(one, other)
            with open(path, "r+b") as file:
                file.truncate(os.path.getsize(path) - 1)
            with self.assertRaises(ne.NeError) as caught:
                ne.Graph.read(path)
            self.assertEqual(caught.exception.status_name, "NE_IO")
            with self.assertRaisesRegex(ne.NeError, "none"):
                ne.Graph.read(os.path.join(folder, "none"))

    def test_queries_find_the_nearest_rows(self):
        x, _ = clusters(each=30)
        indices, found = ne.Graph(metric="euclidean").query(x, x[5:9], 4)
        self.assertEqual(indices[:, 0].tolist(), [5, 6, 7, 8])  # each is its own nearest
        np.testing.assert_array_equal(indices[:, 1:], nearest(x, 3)[5:9])
        np.testing.assert_allclose(found[:, 1], np.sort(distances(x)[5:9])[:, 1], rtol=1e-5)

    def test_neighbors_are_the_nearest(self):
        x, _ = clusters()
        index, distance = ne.Graph(n_neighbors=7, knn="exact", metric="euclidean").build(x).neighbors()
        np.testing.assert_array_equal(index, nearest(x, 7))
        np.testing.assert_allclose(distance, np.take_along_axis(distances(x), index, 1), rtol=1e-6)

    def test_graphs_go_in_as_they_come_out(self):
        x, _ = clusters(each=20)
        graph = ne.Graph(n_neighbors=9, knn="exact").build(x)
        index, distance = graph.neighbors()
        same = ne.Graph.from_neighbors(index, distance)
        again = ne.Graph.from_csr("distances", *graph.csr())
        full = ne.Graph.from_distances(distances(x), 9)
        np.testing.assert_array_equal(full.neighbors()[0], nearest(x, 9))
        for other in (same, again):
            for a, b in zip(other.csr(), graph.csr()):
                np.testing.assert_array_equal(a, b)
        self.assertEqual(again.kind, "distances")
        self.assertIsNone(ne.Graph().kind)
        with self.assertRaisesRegex(ne.NeError, "built"):
            ne.Graph().csr()

    def test_rows_of_an_entropic_affinity_have_their_perplexity(self):
        x, _ = clusters()
        affinity = ne.Affinity("entropic", perplexity=15, symmetrize=False)
        start, col, val = affinity.compute(x).csr()
        for i in range(0, len(x), 17):
            p = val[start[i]:start[i + 1]].astype(float)
            p /= p.sum()
            p = p[p > 0]
            self.assertAlmostEqual(np.exp(-(p * np.log(p)).sum()), 15, delta=15 * 1e-4)
        self.assertEqual(affinity.array("bandwidth").shape, (len(x),))


class Scores(unittest.TestCase):
    def test_they_are_their_formulas(self):
        x, labels = clusters(each=50, apart=2)
        y = x[:, :2].astype(float)
        n, k = len(x), 6
        in_x, in_y = nearest(x, n - 1), nearest(y, k)
        rank = np.zeros((n, n), int)
        np.put_along_axis(rank, in_x, np.arange(1, n)[None], 1)
        excess = np.maximum(0, np.take_along_axis(rank, in_y, 1) - k).sum()
        self.assertAlmostEqual(ne.trustworthiness(x, y, k), 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * excess, delta=1e-12)
        shared = [len(np.intersect1d(a[:k], b)) for a, b in zip(in_x, in_y)]
        self.assertAlmostEqual(ne.knn_preservation(x, y, k), np.sum(shared) / (n * k), delta=1e-12)
        votes = np.array([np.bincount(labels[row], minlength=3).argmax() for row in in_y])
        self.assertAlmostEqual(ne.knn_accuracy(y, labels, k), np.mean(votes == labels), delta=1e-12)
        same = np.mean(labels[in_y] == labels[:, None])
        self.assertAlmostEqual(ne.knn_label_agreement(y, labels.astype(np.uint8), k), same, delta=1e-12)

    def test_kl_is_its_formula(self):
        x, _ = clusters(each=30)
        graph = ne.Affinity("entropic", perplexity=10).compute(x)
        start, col, val = graph.csr()
        y = x[:, :2].astype(float)
        for nu in (1, 2.5):
            q = (1 + distances(y) ** 2 / nu) ** (-(nu + 1) / 2)
            np.fill_diagonal(q, 0)
            q /= q.sum()
            p = val.astype(float) / val.sum(dtype=float)
            row = np.repeat(np.arange(len(x)), np.diff(start))
            want = (p * np.log(np.where(p > 0, p, 1) / q[row, col]))[p > 0].sum()
            self.assertAlmostEqual(ne.kl(graph, y, nu), want, delta=1e-5)

    def test_scores_of_clusters_are_their_formulas(self):
        x, labels = clusters(each=30, apart=2)
        d = distances(x)
        own = labels[:, None] == labels[None]
        np.fill_diagonal(own, False)
        weights = np.random.default_rng(0).random(len(x))
        for w in (None, weights):
            v = np.ones(len(x)) if w is None else w
            a = (own * v * d).sum(1) / (own * v).sum(1)
            other = [[(v * d[i])[labels == c].sum() / v[labels == c].sum() if c != labels[i] else np.inf
                      for c in range(3)] for i in range(len(x))]
            b = np.min(other, axis=1)
            want = (b - a) / np.maximum(a, b)
            mean, values = ne.silhouette(x, labels, weights=w, each=True)
            np.testing.assert_allclose(values, want, atol=1e-6)
            self.assertAlmostEqual(mean, values.mean(), delta=1e-12)
        self.assertAlmostEqual(ne.silhouette(d, labels, metric="precomputed"), ne.silhouette(x, labels), delta=1e-6)
        few = ne.silhouette(x, labels, sample=20, seed=3, each=True)[1]
        self.assertEqual(np.isfinite(few).sum(), 20)
        far, names = clusters(each=30, apart=40)
        value, assigned = ne.kmeans_ari(far, names)
        self.assertEqual(value, 1)
        self.assertEqual(ne.adjusted_rand(assigned, names * 7 - 3), 1)
        self.assertEqual(ne.adjusted_rand(np.arange(90), names), 0)

    def test_what_does_not_fit_is_said(self):
        x, labels = clusters(each=10)
        with self.assertRaisesRegex(ne.NeError, r"k: 0 is outside \[1, n - 1\] = \[1, 29\]"):
            ne.knn_preservation(x, x, 0)
        with self.assertRaises(ValueError):
            ne.knn_accuracy(x, labels[:-1], 3)
        with self.assertRaises(TypeError):
            ne.knn_accuracy(x, labels + 0.5, 3)


if __name__ == "__main__":
    unittest.main()
