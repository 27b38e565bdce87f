"""libne itself: where it is found, its functions and views, and what its failures and Python's exceptions become."""
import collections
import ctypes
import os
import threading
from ctypes import (POINTER, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64,
                    c_void_p)

import numpy as np

# --- The library


def _load():
    here = os.path.dirname(os.path.abspath(__file__))
    build = os.path.join(here, "..", "..", "build")
    places = [os.environ.get("NE_LIBRARY")]
    places += [os.path.join(build, folder, "libne.so") for folder in ("", "release", "dev")]
    found = [place for place in places if place and os.path.exists(place)]
    return ctypes.CDLL(found[0] if found else places[0] or "libne.so.0")


lib = _load()


class ne_dense(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("data", c_void_p), ("rows", c_size_t), ("cols", c_size_t),
                ("stride", c_size_t), ("dtype", c_int32), ("place", c_int32)]


class ne_score_options(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("metric", c_char_p), ("weights", POINTER(c_double)), ("sample", c_size_t),
                ("clusters", c_size_t), ("rounds", c_size_t), ("restarts", c_size_t), ("seed", c_uint64)]


class ne_gradient_report(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("worst", c_double), ("row", c_int64), ("column", c_int64),
                ("gradient", c_double), ("difference", c_double), ("tried", c_int64), ("loss", c_double)]


class ne_csr(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("rows", c_size_t), ("cols", c_size_t), ("start", POINTER(c_int64)),
                ("col", POINTER(c_int32)), ("val", c_void_p), ("dtype", c_int32), ("place", c_int32)]


DTYPES = {1: np.dtype(np.float32), 2: np.dtype(np.float64), 3: np.dtype(np.int32), 4: np.dtype(np.int64)}
CODES = {dtype: code for code, dtype in DTYPES.items()}
KINDS = {1: "distances", 2: "affinity"}
_OUT_OF_MEMORY, _CANCELLED = 4, 5

log_fn = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_char_p)
pairs_fn = ctypes.CFUNCTYPE(c_int, c_void_p, c_size_t, POINTER(c_float))
progress_fn = ctypes.CFUNCTYPE(c_int, c_void_p, c_char_p, c_int64, c_int64, c_double, c_double)


def _declare():
    handle, text, view, csr = c_void_p, c_char_p, POINTER(ne_dense), POINTER(ne_csr)
    new, real, whole = POINTER(c_void_p), POINTER(c_double), POINTER(c_int64)
    functions = {
        "ne_context_create": [new], "ne_context_set_log": [handle, log_fn, c_void_p],
        "ne_store_create": [handle, c_size_t, text, new], "ne_store_append": [handle, view],
        "ne_store_view": [handle, view],
        "ne_graph_create": [handle, new], "ne_graph_build": [handle, view], "ne_graph_build_sparse": [handle, csr],
        "ne_graph_save": [handle, text], "ne_graph_read": [handle, text, new],
        "ne_graph_query": [handle, view, view, view, view],
        "ne_graph_from_neighbors": [handle, view, view, new], "ne_graph_from_distances": [handle, view, c_size_t, new],
        "ne_graph_from_csr": [handle, c_int, csr, new], "ne_graph_csr": [handle, csr], "ne_graph_get_kind": [handle],
        "ne_affinity_create": [handle, text, new], "ne_affinity_compute": [handle, view, new],
        "ne_affinity_compute_graph": [handle, handle, new], "ne_affinity_get_array": [handle, text, real, c_size_t],
        "ne_affinity_set_array": [handle, text, view],
        "ne_embedding_create": [handle, text, new], "ne_embedding_set_array": [handle, text, view],
        "ne_embedding_get_array": [handle, text, real, c_size_t],
        "ne_embedding_set_progress": [handle, progress_fn, c_void_p], "ne_embedding_fit": [handle, view, view],
        "ne_embedding_fit_graph": [handle, handle, view, view], "ne_embedding_start": [handle, handle, view],
        "ne_embedding_step": [handle, c_size_t], "ne_embedding_read": [handle, view],
        "ne_embedding_fit_sparse": [handle, csr, view], "ne_embedding_transform_sparse": [handle, csr, view],
        "ne_embedding_partial_fit": [handle, view],
        "ne_estimate_memory": [handle, c_size_t, c_size_t, c_int32, POINTER(c_size_t)],
        "ne_estimate_memory_sparse": [handle, c_size_t, c_size_t, c_size_t, c_int32, POINTER(c_size_t)],
        "ne_embedding_transform": [handle, view, view], "ne_embedding_inverse_transform": [handle, view, view],
        "ne_score_kl": [handle, handle, view, c_double, real],
        "ne_score_trustworthiness": [handle, view, view, c_size_t, real],
        "ne_score_knn_preservation": [handle, view, view, c_size_t, real],
        "ne_score_knn_accuracy": [handle, view, whole, c_size_t, real],
        "ne_score_knn_label_agreement": [handle, view, whole, c_size_t, real],
        "ne_score_silhouette": [handle, view, whole, POINTER(ne_score_options), real, real],
        "ne_score_kmeans_ari": [handle, view, whole, POINTER(ne_score_options), whole, real],
        "ne_score_adjusted_rand": [handle, whole, whole, c_size_t, real],
        "ne_gradient_check": [handle, view, POINTER(ne_gradient_report)],
        "ne_pairs_visit": [handle, pairs_fn, c_void_p],
        "ne_metric_register": [c_void_p], "ne_affinity_register": [c_void_p], "ne_method_register": [c_void_p],
    }
    for prefix in ("ne_context", "ne_graph", "ne_affinity", "ne_embedding"):
        functions[prefix + "_set"] = [handle, text, text]
        functions[prefix + "_set_real"] = [handle, text, c_double]
        functions[prefix + "_set_int"] = [handle, text, c_int64]
        functions[prefix + "_get_int"] = [handle, text, whole]
        functions[prefix + "_option_info"] = [handle, c_size_t, text, text, c_size_t]
        if prefix != "ne_context":
            functions[prefix + "_get_real"] = [handle, text, real]
    for name, arguments in functions.items():
        getattr(lib, name).argtypes, getattr(lib, name).restype = arguments, c_int
    for prefix in ("ne_context", "ne_graph", "ne_affinity", "ne_embedding"):
        getattr(lib, prefix + "_free").argtypes, getattr(lib, prefix + "_free").restype = [handle], None
        count = getattr(lib, prefix + "_option_count")
        count.argtypes, count.restype = [handle], c_size_t
    lib.ne_store_free.argtypes, lib.ne_store_free.restype = [handle], None
    for name in ("ne_type_name", "ne_type_help"):
        getattr(lib, name).argtypes, getattr(lib, name).restype = [text, c_size_t], text
    lib.ne_pairs_rows.argtypes, lib.ne_pairs_rows.restype = [handle], c_size_t
    words = [c_void_p, c_uint32, c_uint64, c_uint32, POINTER(c_uint32)]
    lib.ne_draw.argtypes, lib.ne_draw.restype = words, None
    lib.ne_draw_rotation.argtypes, lib.ne_draw_rotation.restype = [c_void_p, c_uint32, c_uint32], c_uint32
    lib.ne_version.restype = lib.ne_last_error.restype = text
    lib.ne_status_name.argtypes, lib.ne_status_name.restype = [c_int], text
    lib.ne_fail.argtypes, lib.ne_fail.restype = [c_int, text], c_int


_declare()

# --- Errors, and exceptions on their way through C


class NeError(Exception):
    """A call that failed: the text says why; status is the number, status_name "NE_OUT_OF_RANGE" and so on."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status
        self.status_name = lib.ne_status_name(status).decode()


class Cancelled(NeError):
    """The progress callback said stop; embedding is the state then, NaN if there was none yet."""

    embedding = None


class NeWarning(UserWarning):
    """The result is there, but not as asked."""


class _Local(threading.local):
    depth = 0
    error = None


_local = _Local()
_elsewhere = collections.deque()  # exceptions of hooks that ran in the library's own threads


def _caught(error):
    if _local.depth:
        _local.error = _local.error or error
    else:
        _elsewhere.append(error)


def call(function, *arguments):
    """Call the library. What a Python callback raised meanwhile is raised here; otherwise a failure is a NeError."""
    _local.depth += 1
    try:
        status = function(*arguments)
    finally:
        _local.depth -= 1
    error = None
    if _local.depth == 0:
        error, _local.error = _local.error, None
        if error is None and _elsewhere:
            error = _elsewhere.popleft()
            _elsewhere.clear()
    if error is not None:
        raise error
    if status != 0:
        text = lib.ne_last_error().decode(errors="replace")
        if status == _OUT_OF_MEMORY:
            raise MemoryError(text)
        raise (Cancelled if status == _CANCELLED else NeError)(status, text)


def guard(function, failed):
    """function as a C callback may have it: an exception is kept for call() and gives failed."""

    def guarded(*arguments):
        try:
            return function(*arguments)
        except BaseException as error:  # KeyboardInterrupt too: it stops the fit
            _caught(error)
            return failed

    return guarded


# --- Views


def is_viewable(array):
    (rows, cols), (down, across), size = array.shape, array.strides, array.itemsize
    return (array.flags.aligned and array.dtype.isnative and (cols <= 1 or across == size)
            and (rows <= 1 or (down % size == 0 and down >= cols * size)))


_HOST, _MAPPED = 0, 2  # places


def is_sparse(x):
    """Whether x is one of scipy's sparse matrices or arrays; scipy itself is not needed to tell."""
    return hasattr(x, "tocsr")


def _is_mapped(array):
    """Whether it is a view of a file, which the library then reads in passes and may drop from memory in between; changes
    that belong to this process alone (mode "c") would be lost."""
    return isinstance(array, np.memmap) and array._mmap is not None and array.mode in ("r", "r+", "w+")


def as_view(array, name, dtypes=(np.float32, np.float64)):
    """The array as ne_dense, with the array that owns the memory: itself, or a copy where C could not read it. A memmap
    stays in its file; a store has a view of its own."""
    if hasattr(array, "_as_view"):
        return array._as_view()
    if is_sparse(array):
        raise TypeError(f"{name}: a sparse matrix, and rows with their zeros are needed: see its toarray()")
    given, array = array, np.asarray(array)
    if array.ndim != 2:
        raise ValueError(f"{name}: {array.ndim} dimensions, 2 are needed")
    if array.dtype.type not in dtypes:
        array = array.astype(np.result_type(array.dtype, dtypes[0]), casting="same_kind")
        if array.dtype.type not in dtypes:
            raise TypeError(f"{name}: {array.dtype} is none of {', '.join(np.dtype(t).name for t in dtypes)}")
    if not is_viewable(array):
        array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    stride = array.strides[0] // array.itemsize if array.shape[0] > 1 else array.shape[1]
    in_place = _is_mapped(given) and np.may_share_memory(given, array)
    view = ne_dense(ctypes.sizeof(ne_dense), array.ctypes.data, *array.shape, stride, CODES[array.dtype],
                    _MAPPED if in_place else _HOST)
    view.array = array
    return view


def as_csr(matrix, name):
    """scipy's matrix as ne_csr, with the arrays that own the memory; what is no CSR of floats, or names a place twice, is
    copied."""
    matrix = matrix.tocsr()
    if matrix.ndim != 2:
        raise ValueError(f"{name}: {matrix.ndim} dimensions, 2 are needed")
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    dtype = np.float64 if np.result_type(matrix.dtype, np.float32) == np.float64 else np.float32
    val = np.ascontiguousarray(matrix.data.astype(dtype, casting="same_kind", copy=False))
    start = np.ascontiguousarray(matrix.indptr, np.int64)
    if matrix.shape[1] > 2**31 - 1:
        raise ValueError(f"{name}: {matrix.shape[1]} columns, 2147483647 are taken at most")
    col = np.ascontiguousarray(matrix.indices, np.int32)
    csr = ne_csr(ctypes.sizeof(ne_csr), *matrix.shape, start.ctypes.data_as(POINTER(c_int64)),
                 col.ctypes.data_as(POINTER(c_int32)), val.ctypes.data, CODES[val.dtype], 0)
    csr.arrays = start, col, val
    csr.array = val
    return csr


def as_output(out, shape, dtype):
    """An array to write to: out where the caller gave one, as it is."""
    if out is None:
        out = np.full(shape, np.nan, dtype)
    elif not (isinstance(out, np.ndarray) and out.ndim == 2 and out.dtype.type in (np.float32, np.float64)
              and out.flags.writeable and is_viewable(out)):
        raise ValueError("out: a writable float32 or float64 array with contiguous rows is needed")
    view = as_view(out, "out")
    view.place = _HOST
    return view


def as_array(view):
    """The memory that a view of the library describes, as an array."""
    dtype = DTYPES[view.dtype]
    stride = (view.stride or view.cols) * dtype.itemsize
    size = (view.rows - 1) * stride + view.cols * dtype.itemsize if view.rows else 0
    memory = (ctypes.c_char * size).from_address(view.data)
    return np.ndarray((view.rows, view.cols), dtype, memory, strides=(stride, dtype.itemsize))


def csr_arrays(csr):
    if csr.rows == 0:
        return np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32)
    start = np.ctypeslib.as_array(csr.start, (csr.rows + 1,))
    val = ctypes.cast(csr.val, POINTER(c_float if csr.dtype == 1 else c_double))
    return start, np.ctypeslib.as_array(csr.col, (int(start[-1]),)), np.ctypeslib.as_array(val, (int(start[-1]),))
