"""Metrics, affinities and methods written in Python and registered with libne: slow, but good for trying an idea out.

Options are dicts that say what a row of ne_option says: {"name": "width", "type": "real", "preset": 2, "min": 0,
"flags": "min_open auto", "help": "one line"}. Hooks get their values as attributes of an object.
"""
import ctypes
import itertools
from ctypes import (CFUNCTYPE, POINTER, Structure, c_char, c_char_p, c_double, c_float, c_int, c_int32, c_int64,
                    c_size_t, c_uint32, c_uint64, c_void_p)
from types import SimpleNamespace

import numpy as np

from ne_library import NeError, as_array, call, csr_arrays, guard, lib, ne_csr, ne_dense, pairs_fn

# --- The tables of ne.h

_TYPES = {"real": (1, c_double), "int": (2, c_int64), "bool": (3, c_int64), "choice": (4, c_int64),
          "name": (5, c_char * 48)}
_FLAGS = {"min_open": 1, "max_open": 2, "auto": 4, "none": 8, "max_from_n": 16}
_INVALID_ARGUMENT = 1


class ne_option(Structure):
    _fields_ = [("name", c_char_p), ("type", c_int32), ("flags", c_uint32), ("offset", c_size_t),
                ("preset", c_char_p), ("reference", c_char_p), ("min", c_double), ("max", c_double),
                ("choices", c_char_p), ("unit", c_char_p), ("help", c_char_p)]


class ne_preset(Structure):
    _fields_ = [("name", c_char_p), ("preset", c_char_p), ("reference", c_char_p)]


class ne_problem(Structure):
    """The fit that a hook serves: n, c, seed, max_iter and so on."""

    _fields_ = [("struct_size", c_size_t), ("n", c_size_t), ("c", c_size_t), ("row0", c_size_t), ("row1", c_size_t),
                ("affinity", POINTER(ne_csr)), ("order", POINTER(c_int64)), ("seed", c_uint64), ("max_iter", c_int64),
                ("threads", c_int32), ("reference", c_int32), ("context", c_void_p), ("x", POINTER(ne_dense)),
                ("distances", POINTER(ne_csr)), ("dense_affinity", POINTER(c_float)), ("circle", POINTER(c_int32)),
                ("circle_row", POINTER(c_int32)), ("metric", c_void_p), ("sparse", POINTER(ne_csr))]

    def affinity_arrays(self):
        """start, col and val of the symmetric affinity, rows in working order."""
        return csr_arrays(self.affinity.contents)

    def order_array(self):
        """The caller's index of each working row."""
        return np.ctypeslib.as_array(self.order, (self.n,))

    def x_array(self):
        """The caller's rows; None for a fit of a graph alone. In plan and on_affinity_computed."""
        return as_array(self.x.contents) if self.x else None

    def distance_arrays(self):
        """start, col and val of the neighbors that the hook neighbors asked for. In on_affinity_computed."""
        return csr_arrays(self.distances.contents)

    def dense_affinity_array(self):
        return np.ctypeslib.as_array(self.dense_affinity, (self.n, self.n))

    def draw(self, step, row, slot):
        """128 random bits as four numbers, the same for the same arguments; row is a caller's index."""
        word = (c_uint32 * 4)()
        lib.ne_draw(ctypes.byref(self), step, row, slot, word)
        return tuple(word)

    def partners(self, step, slot):
        """The row that each row draws, on the circle of a method that samples its repulsion."""
        circle = np.ctypeslib.as_array(self.circle, (self.n,))
        row_at = np.ctypeslib.as_array(self.circle_row, (self.n,))
        return row_at[(circle + lib.ne_draw_rotation(ctypes.byref(self), step, slot)) % self.n]


class ne_terms(Structure):
    """What the stock kernels do; plan and on_step_begin change it."""

    _fields_ = [("struct_size", c_size_t), ("affinity_out", c_char_p), ("affinity_out_params", c_void_p),
                ("normalised", c_int32), ("repulsion", c_int32), ("attract", c_double), ("repulse", c_double),
                ("negatives", c_int64), ("exclude_neighbors", c_int32), ("keep_order", c_int32),
                ("dense_affinity", c_int32), ("manifold", c_int32), ("momentum", c_double), ("one_end", c_int32),
                ("again", c_int32)]


UNNORMALISED, OVER_PAIRS, OVER_ROWS = range(3)  # terms.normalised
AUTO, EXACT, BARNES_HUT, FFT, NONE, SAMPLED = range(6)  # terms.repulsion
MEAN, UNION, DIRECTED = range(3)  # combine of an affinity

_floats, _doubles, _view = POINTER(c_float), POINTER(c_double), POINTER(ne_dense)
_hook = (c_int, c_void_p, POINTER(ne_problem), c_void_p)  # status, params, problem, state
_gradient = CFUNCTYPE(*_hook, _floats, c_size_t, c_size_t, _floats)
_loss = CFUNCTYPE(*_hook, _floats, c_size_t, c_size_t, _doubles)


class ne_solution(Structure):
    _fields_ = [("struct_size", c_size_t), ("dual", POINTER(c_double)), ("n_iter", c_int64), ("residual", c_double),
                ("met", c_int32), ("started", c_int32)]


class ne_metric_ops(Structure):
    _fields_ = [("struct_size", c_size_t), ("name", c_char_p), ("help", c_char_p),
                ("distance_f32", CFUNCTYPE(c_double, _floats, _floats, c_size_t, c_void_p)),
                ("distance_f64", CFUNCTYPE(c_double, _doubles, _doubles, c_size_t, c_void_p)), ("user", c_void_p)]


class ne_affinity_ops(Structure):
    _fields_ = [("struct_size", c_size_t), ("name", c_char_p), ("help", c_char_p), ("options", POINTER(ne_option)),
                ("option_count", c_size_t), ("option_size", c_size_t), ("params_size", c_size_t),
                ("check", CFUNCTYPE(c_int, c_void_p, c_size_t)), ("neighbors", CFUNCTYPE(c_size_t, c_void_p, c_size_t)),
                ("weights", CFUNCTYPE(c_int, c_void_p, c_size_t, c_size_t, _floats, _floats, _doubles)),
                ("row_sum_is_one", c_int32), ("kernel", CFUNCTYPE(None, c_void_p, c_size_t, _floats, _floats, _floats)),
                ("combine", c_int32),
                ("compute", CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, POINTER(c_void_p))),
                ("pair_kernel", CFUNCTYPE(None, c_void_p, c_size_t, c_size_t, _floats, _floats, _floats, _floats)),
                ("dual_count", c_size_t), ("dual_names", POINTER(c_char_p)),
                ("solve", CFUNCTYPE(c_int, c_void_p, c_void_p, POINTER(ne_solution))),
                ("rows", CFUNCTYPE(c_int, c_void_p, c_size_t, c_size_t, c_int32, _floats, _doubles, _floats)),
                ("matrix", CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t, _floats)), ("takes_matrix", c_int32),
                ("prepare", CFUNCTYPE(c_int, c_void_p)), ("metric", c_char_p)]


class ne_method_ops(Structure):
    _fields_ = [("struct_size", c_size_t), ("name", c_char_p), ("help", c_char_p), ("affinity_in", c_char_p),
                ("affinity_out", c_char_p), ("options", POINTER(ne_option)), ("option_count", c_size_t),
                ("option_size", c_size_t), ("presets", POINTER(ne_preset)), ("preset_count", c_size_t),
                ("params_size", c_size_t), ("state_size", c_size_t),
                ("plan", CFUNCTYPE(*_hook, POINTER(ne_terms))), ("on_affinity_computed", CFUNCTYPE(*_hook)),
                ("on_step_begin", CFUNCTYPE(*_hook, c_int64, POINTER(ne_terms))), ("attractive_gradient", _gradient),
                ("repulsive_gradient", _gradient), ("attractive_loss", _loss), ("repulsive_loss", _loss),
                ("whole_loss", CFUNCTYPE(*_hook, _floats, c_size_t, c_size_t, _floats, _doubles)),
                ("on_step_end", CFUNCTYPE(*_hook, c_int64, _floats)),
                ("fit", CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, _view, _view)),
                ("transform", CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, _view, _view)),
                ("inverse_transform", CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, _view, _view)),
                ("get_array", CFUNCTYPE(c_int, c_void_p, c_char_p, POINTER(_doubles), POINTER(c_size_t))),
                ("clear", CFUNCTYPE(None, c_void_p, c_void_p)), ("neighbors", CFUNCTYPE(c_size_t, c_void_p, c_size_t)),
                ("before_gradient", CFUNCTYPE(*_hook, c_int64, _floats, POINTER(ne_terms))),
                ("partial_fit", CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, _view)),
                ("fit_sparse", CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, POINTER(ne_csr), _view)),
                ("transform_sparse", CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, POINTER(ne_csr), _view))]


_registered = []  # tables live as long as the process


def _text(value):
    return None if value is None else str(value).encode()


def _option_table(options):
    """The rows of a table, and the parameter block that they point into, as a ctypes structure."""
    fields = [(o["name"], _TYPES[o["type"]][1]) for o in options] or [("_", c_int64)]
    block = type("block", (Structure,), {"_fields_": fields})
    rows = (ne_option * max(len(options), 1))()
    for row, o in zip(rows, options):
        row.name, row.type, row.help = o["name"].encode(), _TYPES[o["type"]][0], o["help"].encode()
        row.flags = sum(_FLAGS[flag] for flag in o.get("flags", "").split())
        row.offset = getattr(block, o["name"]).offset
        row.preset, row.reference = _text(o["preset"]), _text(o.get("reference"))
        row.min, row.max = o.get("min", -np.inf), o.get("max", np.inf)
        row.choices, row.unit = _text(o.get("choices")), _text(o.get("unit"))
    return rows, block


def _values(options, block, address):
    """The values of the options: a choice as its word, "auto" as nan, "none" as None."""
    values = SimpleNamespace()
    here = block.from_address(address) if address and options else None
    for o in options:
        value = getattr(here, o["name"])
        if o["type"] == "choice":
            value = o["choices"].split("|")[value]
        elif o["type"] == "bool":
            value = bool(value)
        elif o["type"] == "name":
            value = value.decode()
        elif o["type"] == "int" and value == -(2**63):
            value = None
        setattr(values, o["name"], value)
    return values


def _status(function):
    """function as a hook: its exception is the failure, kept to be raised by the fit."""

    def hook(*arguments):
        try:
            function(*arguments)
        except NeError as error:
            lib.ne_fail(error.status, b"%s", str(error).encode())
            raise
        except BaseException as error:
            lib.ne_fail(_INVALID_ARGUMENT, b"%s", f"{type(error).__name__}: {error}".encode())
            raise
        return 0

    return guard(hook, _INVALID_ARGUMENT)


def _register(function, ops, *kept):
    call(function, ctypes.byref(ops))
    _registered.append((ops, kept))


# --- Metrics and affinities


def register_metric(name, help, distance):
    """distance(a, b) of two rows gives a number that is not negative. Exact search calls it for all n^2 pairs."""

    def of_pointers(a, b, d, user):
        return distance(np.ctypeslib.as_array(a, (d,)), np.ctypeslib.as_array(b, (d,)))

    kinds = dict(ne_metric_ops._fields_)
    hooks = {name: kinds[name](guard(of_pointers, np.nan)) for name in ("distance_f32", "distance_f64")}
    ops = ne_metric_ops(ctypes.sizeof(ne_metric_ops), name.encode(), help.encode(), **hooks)
    _register(lib.ne_metric_register, ops)


def register_affinity(name, help, options=(), neighbors=None, weights=None, kernel=None, check=None, matrix=None,
                      row_sum_is_one=False, combine=MEAN, metric=None):
    """neighbors(params, n) gives a count; weights(params, n, distances) a row's values and its bandwidth;
    kernel(params, s) q and slope at squared distances s; check(params, n) raises where options disagree;
    matrix(params, distances) of all pairs, n x n, gives the affinity of all pairs."""
    rows, block = _option_table(options)

    def params_of(address):
        return _values(options, block, address)

    def call_check(params, n):
        check(params_of(params), n)

    def call_neighbors(params, n):
        return neighbors(params_of(params), n)

    def call_weights(params, n, count, distances, values, bandwidth):
        row, width = weights(params_of(params), n, np.ctypeslib.as_array(distances, (count,)))
        np.ctypeslib.as_array(values, (count,))[:] = row
        bandwidth[0] = width

    def call_kernel(params, count, s, q, slope):
        out = np.ctypeslib.as_array(q, (count,)), np.ctypeslib.as_array(slope, (count,))
        out[0][:], out[1][:] = 0, 0
        out[0][:], out[1][:] = kernel(params_of(params), np.ctypeslib.as_array(s, (count,)))

    def call_matrix(params, pairs, stride, values):
        n = lib.ne_pairs_rows(pairs)
        distances = np.empty((n, n), np.float32)

        def visit(user, row, row_distances):
            distances[row] = np.ctypeslib.as_array(row_distances, (n,))

        call(lib.ne_pairs_visit, pairs, pairs_fn(_status(visit)), None)
        np.ctypeslib.as_array(values, (n, stride))[:, :n] = matrix(params_of(params), distances)

    ops = ne_affinity_ops(ctypes.sizeof(ne_affinity_ops), name.encode(), help.encode(), rows, len(options),
                          ctypes.sizeof(ne_option), ctypes.sizeof(block), row_sum_is_one=row_sum_is_one,
                          combine=combine, metric=_text(metric))
    hooks = {"check": check and _status(call_check), "neighbors": neighbors and guard(call_neighbors, 1),
             "weights": weights and _status(call_weights), "kernel": kernel and guard(call_kernel, None),
             "matrix": matrix and _status(call_matrix)}
    kinds = dict(ne_affinity_ops._fields_)
    for field, function in hooks.items():
        if function:
            setattr(ops, field, kinds[field](function))
    _register(lib.ne_affinity_register, ops, rows)


# --- Methods


class Method:
    """A method in Python: subclass it, define the hooks that it needs, and register_method() the class.

    Each fit has an instance of its own, whose params has the values of the options. Hooks of ne_method_ops become
    plan(problem, terms), on_affinity_computed(problem), on_step_begin(problem, step, terms), before_gradient(problem,
    step, z, terms) and on_step_end(problem, step, z); neighbors(params, n), of the class; attractive_gradient and
    repulsive_gradient(problem, z, row0, row1), which give the gradient of those rows; attractive_loss and
    repulsive_loss(problem, z, row0, row1), which give a number; whole_loss(problem, z, row0, row1), which gives both,
    the loss first. A map without a loop has fit(x), which gives y, and may have transform(x), inverse_transform(y) and a
    dict arrays.
    """

    name = help = ""
    affinity_in = affinity_out = None
    options = ()
    presets = {}  # other defaults for inherited options: {"early_exaggeration_iter": 0}


def register_method(kind):
    """Register a subclass of Method: ne.Embedding(kind.name) then fits it."""
    options = kind.options
    rows, block = _option_table(options)
    presets = (ne_preset * max(len(kind.presets), 1))()
    for row, (name, value) in zip(presets, kind.presets.items()):
        row.name, row.preset, row.reference = name.encode(), _text(value), _text(value)
    instances, numbers = {}, itertools.count(1)  # the state that the library keeps is the number of an instance

    def begin(params, state):
        number = next(numbers)
        c_int64.from_address(state).value = number
        instances[number] = kind()
        instances[number].params = _values(options, block, params)
        return instances[number]

    def of(state):
        return instances[c_int64.from_address(state).value]

    def points(z, problem):
        return np.ctypeslib.as_array(z, (problem.contents.n, problem.contents.c))

    def plan(params, problem, state, terms):
        made = begin(params, state)
        if hasattr(kind, "plan"):
            made.plan(problem.contents, terms.contents)

    def on_affinity_computed(params, problem, state):
        of(state).on_affinity_computed(problem.contents)

    def on_step_begin(params, problem, state, step, terms):
        of(state).on_step_begin(problem.contents, step, terms.contents)

    def before_gradient(params, problem, state, step, z, terms):
        of(state).before_gradient(problem.contents, step, points(z, problem), terms.contents)

    def neighbors(params, n):
        return kind.neighbors(_values(options, block, params), n)

    def on_step_end(params, problem, state, step, z):
        of(state).on_step_end(problem.contents, step, points(z, problem))

    def gradient_hook(name):
        def hook(params, problem, state, z, row0, row1, gradient):
            made = getattr(of(state), name)(problem.contents, points(z, problem), row0, row1)
            points(gradient, problem)[row0:row1] = made

        return hook

    def loss_hook(name):
        def hook(params, problem, state, z, row0, row1, loss):
            loss[0] = getattr(of(state), name)(problem.contents, points(z, problem), row0, row1)

        return hook

    def whole_loss(params, problem, state, z, row0, row1, gradient, loss):
        loss[0], made = of(state).whole_loss(problem.contents, points(z, problem), row0, row1)
        points(gradient, problem)[row0:row1] = made

    def fit(params, context, state, x, y):
        try:
            as_array(y.contents)[:] = begin(params, state).fit(as_array(x.contents))
        except BaseException:
            clear(context, state)
            raise

    def transform(params, context, state, x, y):
        as_array(y.contents)[:] = of(state).transform(as_array(x.contents))

    def inverse_transform(params, context, state, y, x):
        as_array(x.contents)[:] = of(state).inverse_transform(as_array(y.contents))

    def get_array(state, name, values, count):
        made = np.ascontiguousarray(of(state).arrays[name.decode()], np.float64)
        of(state).arrays[name.decode()] = made  # owns what values points to
        values[0], count[0] = made.ctypes.data_as(_doubles), made.size

    def clear(context, state):
        instances.pop(c_int64.from_address(state).value, None)

    hooks = {"on_affinity_computed": on_affinity_computed, "on_step_begin": on_step_begin,
             "before_gradient": before_gradient, "on_step_end": on_step_end,
             "attractive_gradient": gradient_hook("attractive_gradient"),
             "repulsive_gradient": gradient_hook("repulsive_gradient"),
             "attractive_loss": loss_hook("attractive_loss"), "repulsive_loss": loss_hook("repulsive_loss"),
             "whole_loss": whole_loss, "fit": fit, "transform": transform, "inverse_transform": inverse_transform}
    hooks = {name: function for name, function in hooks.items() if hasattr(kind, name)}
    hooks.update({"get_array": get_array} if "fit" in hooks else {"plan": plan})
    fields = dict(ne_method_ops._fields_)
    made = {name: fields[name](_status(function)) for name, function in hooks.items()}
    made["clear"] = fields["clear"](guard(clear, None))
    if hasattr(kind, "neighbors"):
        made["neighbors"] = fields["neighbors"](guard(neighbors, 1))
    ops = ne_method_ops(ctypes.sizeof(ne_method_ops), kind.name.encode(), kind.help.encode(), _text(kind.affinity_in),
                        _text(kind.affinity_out), rows, len(options), ctypes.sizeof(ne_option), presets,
                        len(kind.presets), ctypes.sizeof(block), ctypes.sizeof(c_int64), **made)
    _register(lib.ne_method_register, ops, rows, presets)
