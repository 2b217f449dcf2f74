"""Compiles functions as the rules schedule them, and as they are, and runs both on arrays."""

from __future__ import annotations

import ctypes
from functools import lru_cache

import numpy as np

from tilewright import dlight, te
from tilewright.codegen.llvm.codegen import emit_module, may_fail
from tilewright.codegen.llvm.compile import assembly, compile_module
from tilewright.codegen.llvm.jit import load_objects
from tilewright.dlight.base import scheduled
from tilewright.ir.expr import IntImm
from tilewright.support.dtypes import dtype_of
from tilewright.target import Target
from tilewright.tir.analysis import undefined_vars
from tilewright.tir.arith import Analyzer
from tilewright.tir.function import PrimFunc
from tilewright.tir.pipeline import lower
from tilewright.tir.stmt_functor import substitute

HOST = Target("llvm")
AVX512 = Target("llvm -mcpu=icelake-server -num-cores=4")
SPLITTING = Target("llvm -mcpu=znver4 -num-cores=2")
"""Vectors of 256 bits multiply at twice the rate of 512."""
NEON = Target("llvm -mtriple=aarch64-linux-gnu -mcpu=neoverse-n1 -num-cores=4")
AVX2 = Target("llvm -mcpu=haswell -num-cores=4")


def schedule(func, target=HOST):
    """`func` by the default rules for `target`."""
    return scheduled(func, target, dlight.cpu.default_rules())


class Kernel:
    """A function lowered and loaded; called with arrays, the outputs last."""

    def __init__(self, func):
        module = lower(func, packed=False)
        functions = {v.name_hint: f for v, f in module.items() if isinstance(f, PrimFunc)}
        ((name, self.func),) = functions.items()
        self.text = emit_module(functions)
        self.library = load_objects([compile_module(self.text, cache=False)])
        result = ctypes.c_int32 if may_fail(self.func) else None
        kinds = [ctypes.c_void_p if p.dtype == "handle" else ctypes.c_int64 if p.dtype == "int64"
                 else ctypes.c_int32 for p in self.func.params]  # fmt: skip
        self.entry = ctypes.CFUNCTYPE(result, *kinds)(self.library.address(name))

    @property
    def asm(self):
        return assembly(self.text)

    def __call__(self, *arrays):
        arrays = [np.ascontiguousarray(a) if isinstance(a, np.ndarray) else a for a in arrays]
        return self.entry(*[a.ctypes.data if isinstance(a, np.ndarray) else a for a in arrays])


def random_array(shape, dtype, seed=0):
    """Small values of any dtype."""
    rng = np.random.default_rng(seed)
    kind = dtype_of(dtype).numpy
    if np.issubdtype(kind, np.integer):
        return rng.integers(0 if dtype.startswith("u") else -8, 8, shape).astype(kind)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    return rng.standard_normal(shape).astype(kind)


def bind_shapes(func, values):
    """Shapes of the parameters with variables replaced by name."""

    def known(size):
        sizes = {v: IntImm(v.dtype, values[v.name]) for v in undefined_vars(size)}
        return Analyzer().simplify(substitute(size, sizes)).value

    return [tuple(known(d) for d in buffer.shape) for buffer in func.buffers()]


def check_same(tensors, target=HOST, rtol=1e-4, atol=1e-4, outputs=1, **values):
    """Both the function of `tensors` and its schedule compute the same. Returns the schedule."""
    func = te.create_prim_func(tensors)
    made = schedule(func, target)
    assert made.attrs["tir.is_scheduled"]
    check_functions(func, made, rtol, atol, outputs, **values)
    return made


@lru_cache(maxsize=2)
def _compiled(func):
    """The function as code, made once for all sizes of its arguments."""
    return Kernel(func)


def check_functions(func, made, rtol=1e-4, atol=1e-4, outputs=1, **values):
    """Both functions compute the same on random arrays; `made` writes all of its results, also the
    sums of nothing, which are none of a loop over no steps."""
    shapes, buffers = bind_shapes(func, values), func.buffers()
    pairs = zip(shapes, buffers, strict=True)
    arrays = [random_array(s, b.dtype, n) for n, (s, b) in enumerate(pairs)]
    results = []
    for f in (func, made):
        kernel = _compiled(f)
        outs = [np.full_like(a, 7 * (f is made)) for a in arrays[-outputs:]]
        scalars = _scalars(kernel.func, func, values)
        kernel(*arrays[:-outputs], *outs, *scalars)
        results.append(outs)
    for want, got in zip(*results, strict=True):
        if want.dtype.kind in "fV" or want.dtype.name == "bfloat16":
            np.testing.assert_allclose(
                got.astype("float64"), want.astype("float64"), rtol=rtol, atol=atol
            )
        else:
            np.testing.assert_array_equal(got, want)


def _scalars(lowered, func, values):
    return [values[p.name] for p in lowered.params if p.dtype != "handle"]
