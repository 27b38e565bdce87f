"""Neighbor embedding for Python: ne.h through ctypes, with numpy arrays in and out and nothing else.

    import ne
    y = ne.Embedding("tsne", perplexity=50).fit_transform(x)

Options are those of the library, by name; their defaults, ranges and help live there too: ne.help("tsne") prints them.
Arrays of float32 and float64 whose rows are contiguous are passed without a copy, whatever their row stride; so are scipy's
sparse matrices, and a memmap, np.load(path, mmap_mode="r"), stays in its file. Store takes rows that come in blocks.
"""
import ctypes
import numbers
import os
import sys
import warnings
from ctypes import POINTER, byref, c_double, c_int32, c_int64, c_size_t, c_void_p
from types import SimpleNamespace

import numpy as np

from ne_extend import Method, register_affinity, register_method, register_metric
from ne_library import (CODES, KINDS, Cancelled, NeError, NeWarning, as_array, as_csr, as_output, as_view, call,
                        csr_arrays, guard, is_sparse, lib, log_fn, ne_csr, ne_dense, ne_gradient_report,
                        ne_score_options, progress_fn)

__version__ = lib.ne_version().decode()

# --- Objects with options


def _typed(kind, text):
    if kind == "bool":
        return text == "true"
    try:
        return int(text) if kind == "int" else float(text) if kind == "real" else text
    except ValueError:
        return text  # "auto", "none"


class _Object:
    _prefix = ""

    def __init__(self):
        self._handle = c_void_p()

    def __del__(self):
        if getattr(self, "_handle", None) and lib:
            self._function("free")(self._handle)

    def _function(self, name):
        return getattr(lib, self._prefix + "_" + name)

    def _do(self, name, *arguments):
        return call(self._function(name), self._handle, *arguments)

    def set(self, **options):
        """Set options by name: numbers, text, True and False, None for "none", an array where the library takes one."""
        for name, value in options.items():
            self._set(name.encode(), value)
        return self

    def _set(self, name, value):
        if isinstance(value, np.bool_):
            value = bool(value)
        if value is None or isinstance(value, str):
            self._do("set", name, b"none" if value is None else value.encode())
        elif isinstance(value, numbers.Integral):
            self._do("set_int", name, int(value))
        elif isinstance(value, numbers.Real):
            self._do("set_real", name, float(value))
        else:
            raise TypeError(f"{name.decode()}: {type(value).__name__} is no value of an option")

    def options(self):
        """The table of options: a list of dicts with name, type, default, range, unit, help, value and so on."""
        buffer = ctypes.create_string_buffer(2048)
        table = []
        for index in range(self._function("option_count")(self._handle)):
            row = {}
            for field in ("name", "type", "default", "reference", "range", "unit", "help", "value", "owner"):
                self._do("option_info", index, field.encode(), buffer, len(buffer))
                row[field] = buffer.value.decode()
            table.append(row)
        return table

    def get(self, name):
        """The value of an option."""
        for row in self.options():
            if row["name"] == name:
                return _typed(row["type"], row["value"])
        value = c_int64()
        self._do("get_int", name.encode(), byref(value))  # fails, with the nearest name
        return value.value

    def help(self):
        """What options() has, as text to read."""
        lines = []
        for row in self.options():
            unit = " " + row["unit"] if row["unit"] else ""
            lines += [f"{row['name']} = {row['default']}{unit}    {row['range']}", f"    {row['help']}"]
        return "\n".join(lines)


class Context(_Object):
    """Threads and log. Objects without one make their own; two threads of Python that fit at a time need two."""

    _prefix = "ne_context"

    def __init__(self, log=None, **options):
        super().__init__()
        call(lib.ne_context_create, byref(self._handle))
        log = log or self._log
        self._log_callback = log_fn(guard(lambda user, level, text: log(level, text.decode()), None))
        self._do("set_log", self._log_callback, None)
        self.set(**options)

    @staticmethod
    def _log(level, text):
        if level == 1:
            warnings.warn(text, NeWarning, stacklevel=5)
        else:
            print(text, file=sys.stderr)


class Store:
    """Rows that need not fit memory, float32 in a file without a name: Store(blocks), an iterable of arrays with the same
    columns. It stands for x wherever one is taken."""

    dtype = np.dtype(np.float32)

    def __init__(self, blocks=(), context=None, folder=None):
        self.context, self._folder = context or Context(), None if folder is None else os.fsencode(folder)
        self._handle, self.shape = c_void_p(), (0, 0)
        for block in blocks:
            self.append(block)

    def __del__(self):
        if getattr(self, "_handle", None) and lib:
            lib.ne_store_free(self._handle)

    def append(self, rows):
        """More rows; an array of rows x columns."""
        rows = as_view(rows, "rows")
        if not self._handle:
            call(lib.ne_store_create, self.context._handle, rows.cols, self._folder, byref(self._handle))
        call(lib.ne_store_append, self._handle, byref(rows))
        self.shape = self.shape[0] + rows.rows, rows.cols
        return self

    def __len__(self):
        return self.shape[0]

    def _as_view(self):
        if not self._handle:
            raise ValueError("store: it has no rows")
        view = ne_dense(ctypes.sizeof(ne_dense))
        call(lib.ne_store_view, self._handle, byref(view))
        view.array = self  # keeps it
        return view

    def array(self):
        """All rows, as a copy in memory."""
        return as_array(self._as_view()).copy()


class Graph(_Object):
    """k nearest neighbors of the rows of x, or an affinity: Graph(n_neighbors=30).build(x)."""

    _prefix = "ne_graph"

    def __init__(self, context=None, **options):
        super().__init__()
        self.context = context or Context()
        call(lib.ne_graph_create, self.context._handle, byref(self._handle))
        self.set(**options)

    @classmethod
    def _made(cls, context, function, *arguments):
        graph = cls.__new__(cls)
        _Object.__init__(graph)
        graph.context = context
        call(function, *arguments, byref(graph._handle))
        return graph

    @classmethod
    def from_neighbors(cls, indices, distances, context=None):
        context = context or Context()
        index, distance = as_view(indices, "indices", (np.int32, np.int64)), as_view(distances, "distances")
        return cls._made(context, lib.ne_graph_from_neighbors, context._handle, byref(index), byref(distance))

    @classmethod
    def from_distances(cls, distances, k, context=None):
        context = context or Context()
        view = as_view(distances, "distances")
        return cls._made(context, lib.ne_graph_from_distances, context._handle, byref(view), k)

    @classmethod
    def from_csr(cls, kind, start, col, val, cols=None, context=None):
        """kind is "distances" or "affinity"; a scipy matrix m is m.indptr, m.indices, m.data."""
        context = context or Context()
        start, col, val = np.ascontiguousarray(start, np.int64), np.ascontiguousarray(col, np.int32), np.asarray(val)
        val = np.ascontiguousarray(val, np.float64 if val.dtype == np.float64 else np.float32)
        if len(start) < 1 or start[-1] > min(len(col), len(val)):
            raise ValueError("start: it counts more entries than col and val have")
        rows = len(start) - 1
        csr = ne_csr(ctypes.sizeof(ne_csr), rows, rows if cols is None else cols,
                     start.ctypes.data_as(POINTER(c_int64)), col.ctypes.data_as(POINTER(c_int32)), val.ctypes.data,
                     CODES[val.dtype], 0)
        code = {name: number for number, name in KINDS.items()}[kind]
        return cls._made(context, lib.ne_graph_from_csr, context._handle, code, byref(csr))

    def build(self, x):
        if is_sparse(x):
            self._do("build_sparse", byref(as_csr(x, "x")))
        else:
            self._do("build", byref(as_view(x, "x")))
        return self

    def save(self, path):
        """The graph in a file, which Graph.read() reads on any machine."""
        self._do("save", os.fsencode(path))
        return self

    @classmethod
    def read(cls, path, context=None):
        context = context or Context()
        return cls._made(context, lib.ne_graph_read, context._handle, os.fsencode(path))

    def query(self, x, queries, k):
        """indices and distances, each m x k, of the rows of x that are nearest to each of the m queries, by the graph's
        metric; the graph need not be built."""
        x, queries = as_view(x, "x"), as_view(queries, "queries")
        indices, distances = np.zeros((queries.rows, k), np.int64), np.zeros((queries.rows, k))
        self._do("query", byref(x), byref(queries), byref(as_view(indices, "indices", (np.int64,))),
                 byref(as_view(distances, "distances")))
        return indices, distances

    @property
    def kind(self):
        """ "distances", "affinity", or None before the graph is built."""
        return KINDS.get(lib.ne_graph_get_kind(self._handle))

    def csr(self):
        """start, col and val: copies."""
        csr = ne_csr(ctypes.sizeof(ne_csr))
        self._do("csr", byref(csr))
        return tuple(array.copy() for array in csr_arrays(csr))

    def neighbors(self):
        """indices and distances, n x k, of a graph whose rows are equally long."""
        start, col, val = self.csr()
        shape = len(start) - 1, int(start[1])
        return col.reshape(shape), val.reshape(shape)

    def result(self, name):
        """What the search found out, by the names that ne.h lists."""
        value = c_double()
        self._do("get_real", name.encode(), byref(value))
        return _number(value.value)


class Affinity(_Object):
    """A rule that makes similarities of distances: Affinity("entropic", perplexity=50).compute(x)."""

    _prefix = "ne_affinity"

    def __init__(self, name, context=None, **options):
        super().__init__()
        self.context, self._rows = context or Context(), 0
        call(lib.ne_affinity_create, self.context._handle, name.encode(), byref(self._handle))
        self.set(**options)

    def _set(self, name, value):
        if isinstance(value, np.ndarray) and value.ndim:
            view = as_view(value.reshape(-1, 1) if value.ndim == 1 else value, name.decode())
            self._do("set_array", name, byref(view))
        else:
            super()._set(name, value)

    def compute(self, x):
        """The affinity of the rows of x, or of a Graph of distances, as a Graph."""
        if isinstance(x, Graph):
            made = Graph._made(self.context, lib.ne_affinity_compute_graph, self._handle, x._handle)
        else:
            view = as_view(x, "x")
            made = Graph._made(self.context, lib.ne_affinity_compute, self._handle, byref(view))
        self._rows = int(made.result("rows"))
        return made

    def array(self, name):
        """ "bandwidth" or "entropy" of each row, or what a solver solves for: "dual", which option init_dual takes."""
        values = np.empty(self._rows)
        self._do("get_array", name.encode(), values.ctypes.data_as(POINTER(c_double)), values.size)
        return values


def _number(value):
    return int(value) if value.is_integer() else value


# Results and their shapes.
_ARRAYS = {"bandwidth": "n", "mean": "d", "components": "cd", "explained_variance": "c", "explained_variance_ratio": "c",
           "singular_values": "c", "noise_variance": "1", "eigenvalues": "c", "eigenvectors": "nc", "stress": "1"}


class Embedding(_Object):
    """A map from rows of data to a few coordinates: Embedding("tsne", perplexity=50).fit_transform(x).

    progress(phase, step, steps, loss, gradient_norm) is called after each step. To stop the fit it returns True, which
    raises Cancelled, or raises an exception, which comes out of the fit. Ctrl-C does the same.
    Results of the last fit are attributes: .kl, .n_iter, .seconds, .bandwidth and what else ne.h lists.
    """

    _prefix = "ne_embedding"

    def __init__(self, name, context=None, progress=None, **options):
        super().__init__()
        self.name, self.context, self._shape = name, context or Context(), {}
        call(lib.ne_embedding_create, self.context._handle, name.encode(), byref(self._handle))

        def report(user, phase, step, steps, loss, gradient_norm):
            return bool(progress and progress(phase.decode(), step, steps, loss, gradient_norm))

        self._progress_callback = progress_fn(guard(report, 1))  # always there, so that Ctrl-C gets through
        self._do("set_progress", self._progress_callback, None)
        self.set(**options)

    def _set(self, name, value):
        if isinstance(value, np.ndarray) and value.ndim:
            view = as_view(value, name.decode())
            self._do("set_array", name, byref(view))
        else:
            super()._set(name, value)

    def _fit(self, function, graph, x, out):
        if graph is None and is_sparse(x):
            function, x = "fit_sparse", as_csr(x, "x")
        elif x is not None:
            x = as_view(x, "x")
        self._remember(x, graph)
        y = as_output(out, (self._shape["n"], self._shape["c"]), x.array.dtype if x else np.float32)
        try:
            self._do(function, *([graph._handle] if graph else []), x and byref(x), byref(y))
        except Cancelled as error:
            error.embedding = y.array
            raise
        return y.array

    def _remember(self, x, graph):
        n, d = (x.rows, x.cols) if x else (graph.result("rows") if graph else 0, 0)
        self._shape = {"n": n, "d": d, "c": self.get("n_components")}

    def fit_transform(self, x, out=None):
        """The coordinates of the rows of x, in an array of x's precision, or in out (any rows of float32, float64). x is an
        array, a memmap, a Store, or a sparse matrix of scipy's."""
        return self._fit("fit", None, x, out)

    def fit_graph(self, graph, x=None, out=None):
        """The same from a Graph; x is for the start only."""
        return self._fit("fit_graph", graph, x, out)

    def start(self, x=None, graph=None):
        """A fit in pieces: start, then step as often as wanted, read in between."""
        x = None if x is None else as_view(x, "x")
        self._do("start", graph and graph._handle, x and byref(x))
        self._remember(x, graph)
        return self

    def step(self, k=1):
        self._do("step", k)
        return self

    def read(self, out=None):
        y = as_output(out, (self._shape.get("n", 1), self._shape.get("c", 1)), np.float32)
        self._do("read", byref(y))
        return y.array

    def check_gradient(self, y=None):
        """Compare the gradient of the next step of a started embedding with differences of its loss, at y or where it
        stands: worst is the largest error over the largest gradient; row, column, gradient and difference say where;
        tried is how many coordinates were."""
        report = ne_gradient_report(ctypes.sizeof(ne_gradient_report))
        y = None if y is None else as_view(y, "y")
        call(lib.ne_gradient_check, self._handle, y and byref(y), byref(report))
        return SimpleNamespace(**{name: getattr(report, name) for name, _ in report._fields_[1:]})

    def partial_fit(self, x):
        """Take in more rows, of a type that can: incremental_pca."""
        x = as_view(x, "x")
        self._do("partial_fit", byref(x))
        self._remember(x, None)
        return self

    def estimate_memory(self, n, d, dtype=np.float32, entries=None):
        """Bytes that a fit to n x d data of the dtype takes at its peak, under the present options; to a sparse matrix with
        so many entries (its nnz), if they are given."""
        size, code = c_size_t(), CODES[np.dtype(dtype)]
        if entries is None:
            call(lib.ne_estimate_memory, self._handle, n, d, code, byref(size))
        else:
            call(lib.ne_estimate_memory_sparse, self._handle, n, d, entries, code, byref(size))
        return size.value

    def transform(self, x, out=None):
        """The coordinates of new rows."""
        sparse = is_sparse(x)
        x = as_csr(x, "x") if sparse else as_view(x, "x")
        y = as_output(out, (x.rows, self._shape.get("c", 1)), x.array.dtype)
        self._do("transform_sparse" if sparse else "transform", byref(x), byref(y))
        return y.array

    def inverse_transform(self, y, out=None):
        """Rows for new coordinates."""
        y = as_view(y, "y")
        x = as_output(out, (y.rows, self._shape.get("d", 1)), y.array.dtype)
        self._do("inverse_transform", byref(y), byref(x))
        return x.array

    def result(self, name):
        """What the last fit found out: a number, or an array for the names that ne.h lists as arrays."""
        if name in _ARRAYS:
            values = np.empty([self._shape.get(size, 1) for size in _ARRAYS[name]])
            self._do("get_array", name.encode(), values.ctypes.data_as(POINTER(c_double)), values.size)
            return values
        value = c_double()
        self._do("get_real", name.encode(), byref(value))
        return _number(value.value)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self.result(name)
        except NeError as error:
            raise AttributeError(str(error)) from error


def types(kind):
    """The registered names and their help: kind is "method", "affinity" or "metric"."""
    found = {}
    while (name := lib.ne_type_name(kind.encode(), len(found))) is not None:
        found[name.decode()] = lib.ne_type_help(kind.encode(), len(found)).decode()
    return found


def help(name):
    """Print the options of a method or an affinity."""
    methods = types("method")
    made = Embedding(name) if name in methods else Affinity(name)
    print(f"{name}: {(methods if name in methods else types('affinity'))[name]}\n\n{made.help()}")


# --- Scores


def _score(function, context, *arguments):
    context, value = context or Context(), c_double()
    call(function, context._handle, *arguments, byref(value))
    return value.value


def kl(affinity, y, degrees_of_freedom, context=None):
    """Kullback-Leibler divergence of a Graph of affinities and the Student kernel of y."""
    y = as_view(y, "y")
    return _score(lib.ne_score_kl, context, affinity._handle, byref(y), degrees_of_freedom)


def _score_pair(function, x, y, k, context):
    x, y = as_view(x, "x"), as_view(y, "y")
    return _score(function, context, byref(x), byref(y), k)


def trustworthiness(x, y, k, context=None):
    """1 when the k nearest rows in y are near in x; 0.5 for a random y."""
    return _score_pair(lib.ne_score_trustworthiness, x, y, k, context)


def knn_preservation(x, y, k, context=None):
    """Mean share of the k nearest rows in x that are among the k nearest in y."""
    return _score_pair(lib.ne_score_knn_preservation, x, y, k, context)


def _labels(labels, rows, name="labels"):
    labels = np.ascontiguousarray(np.asarray(labels).astype(np.int64, casting="safe"))
    if labels.shape != (rows,):
        raise ValueError(f"{name}: shape {labels.shape}, ({rows},) is needed")
    return labels


def _pointer(array, kind):
    return None if array is None else array.ctypes.data_as(POINTER(kind))


def _score_labels(function, y, labels, k, context):
    y = as_view(y, "y")
    labels = _labels(labels, y.rows)
    return _score(function, context, byref(y), _pointer(labels, c_int64), k)


def knn_accuracy(y, labels, k, context=None):
    """Share of rows whose whole-number label wins the vote of the k nearest other rows in y."""
    return _score_labels(lib.ne_score_knn_accuracy, y, labels, k, context)


def knn_label_agreement(y, labels, k, context=None):
    """Mean share of the k nearest other rows in y that have the row's label."""
    return _score_labels(lib.ne_score_knn_label_agreement, y, labels, k, context)


def silhouette(y, labels, metric="euclidean", weights=None, sample=0, seed=0, each=False, context=None):
    """Mean silhouette: 1 where rows are near those of their label and far from others, -1 at worst. metric is a
    registered name, or "precomputed" for a y of n x n distances. each: also the value of each row."""
    y = as_view(y, "y")
    labels, values = _labels(labels, y.rows), np.empty(y.rows) if each else None
    if weights is not None:
        weights = np.ascontiguousarray(weights, np.float64)
        if weights.shape != (y.rows,):
            raise ValueError(f"weights: shape {weights.shape}, ({y.rows},) is needed")
    options = ne_score_options(ctypes.sizeof(ne_score_options), metric.encode(), _pointer(weights, c_double), sample,
                               seed=seed)
    mean = _score(lib.ne_score_silhouette, context, byref(y), _pointer(labels, c_int64), byref(options),
                  _pointer(values, c_double))
    return (mean, values) if each else mean


def kmeans_ari(y, labels, clusters=0, rounds=0, restarts=0, seed=0, context=None):
    """Adjusted Rand index of the labels and of k-means of y, and the cluster of each row. 0 stands for the default."""
    y = as_view(y, "y")
    labels, assigned = _labels(labels, y.rows), np.empty(y.rows, np.int64)
    options = ne_score_options(ctypes.sizeof(ne_score_options), clusters=clusters, rounds=rounds, restarts=restarts,
                               seed=seed)
    value = _score(lib.ne_score_kmeans_ari, context, byref(y), _pointer(labels, c_int64), byref(options),
                   _pointer(assigned, c_int64))
    return value, assigned


def adjusted_rand(a, b, context=None):
    """Adjusted Rand index of two labellings: 1 for the same partition, 0 for what chance gives."""
    a, b = _labels(a, len(a), "a"), _labels(b, len(a), "b")
    return _score(lib.ne_score_adjusted_rand, context, _pointer(a, c_int64), _pointer(b, c_int64), len(a))
