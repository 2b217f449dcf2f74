"""From tensor expressions through schedules and lowering to compiled code."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tilewright import te, tir, topi
from tilewright.codegen.llvm.codegen import emit_module
from tilewright.codegen.llvm.compile import assembly, compile_module
from tilewright.codegen.llvm.jit import JITModule, load_objects
from tilewright.runtime import tensor
from tilewright.te.create_primfunc import create_prim_func
from tilewright.tir import PrimFunc
from tilewright.tir.pipeline import lower

Array = np.ndarray[Any, Any]


def text_of(func: PrimFunc) -> str:
    return emit_module({v.name_hint: f for v, f in lower(func).items() if isinstance(f, PrimFunc)})


def built(func: PrimFunc) -> JITModule:
    return load_objects([compile_module(text_of(func), cache=False)])


def computed(result: te.Tensor, inputs: dict[te.Tensor, Array]) -> Array:
    """The value of a tensor expression, compiled and called through the packed entry."""
    module = built(create_prim_func([*inputs, result]))
    out = np.zeros([int(d) for d in result.shape], dtype_of(result.dtype))
    target = tensor(out)
    module["main"](*[tensor(a) for a in inputs.values()], target)
    return target.numpy()


def dtype_of(name: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, name)) if name == "bfloat16" else np.dtype(name)


def random(*shape: int, dtype: str = "float32") -> Array:
    values = np.random.default_rng(len(shape)).standard_normal(shape)
    return (values * 5).astype(dtype_of(dtype)) if dtype != "bool" else values > 0


ONE_INPUT: dict[str, tuple[Callable[[te.Tensor], te.Tensor], Callable[[Array], Array]]] = {
    "relu": (topi.nn.relu, lambda a: np.maximum(a, 0)),
    "softmax": (topi.nn.softmax, lambda a: np.exp(a) / np.exp(a).sum(-1, keepdims=True)),
    "transpose": (topi.transpose, lambda a: a.T),
    "sum": (lambda a: topi.sum(a, 1), lambda a: a.sum(1)),
    "max": (lambda a: topi.max(a, 0), lambda a: a.max(0)),
    "argmax": (lambda a: topi.argmax(a, 1), lambda a: a.argmax(1)),
    "tanh": (topi.tanh, np.tanh),
    "erf": (topi.erf, np.vectorize(math.erf, otypes=[np.float64])),
    "floor": (topi.floor, np.floor),
}


@pytest.mark.parametrize("name", ONE_INPUT)
def test_one_input(name: str) -> None:
    make, reference = ONE_INPUT[name]
    a = te.placeholder((6, 10), "float32", "a")
    x = random(6, 10)
    expected = reference(x.astype(np.float64))
    assert np.allclose(computed(make(a), {a: x}), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint16", "int64", "float16", "bfloat16", "float64"]
)
def test_every_dtype_passes_the_packed_entry(dtype: str) -> None:
    a = te.placeholder((7, 3), dtype, "a")
    x = random(7, 3, dtype=dtype)
    copied = computed(te.compute((3, 7), lambda i, j: a[j, i], "copy"), {a: x})
    assert copied.dtype == x.dtype
    assert np.array_equal(copied.astype(np.float64), x.T.astype(np.float64))


def test_products_and_gathers() -> None:
    a, b = te.placeholder((5, 8), "float32", "a"), te.placeholder((8, 3), "float32", "b")
    x, y = random(5, 8), random(8, 3)
    assert np.allclose(computed(topi.matmul(a, b), {a: x, b: y}), x @ y, rtol=1e-5, atol=1e-4)
    i = te.placeholder((4,), "int64", "i")
    places = np.array([4, 0, 2, 2])
    assert np.array_equal(computed(topi.take(a, i, 0), {a: x, i: places}), x[places])


def test_symbolic_shapes_down_to_zero() -> None:
    n = tir.SizeVar("n", "int64")
    a = te.placeholder((n, 4), "float32", "a")
    module = built(create_prim_func([a, topi.nn.softmax(a)]))
    for count in (0, 1, 9):
        x = random(count, 4)
        y = tensor(np.zeros_like(x))
        module["main"](tensor(x), y)
        e = np.exp(x.astype(np.float64))
        assert np.allclose(y.numpy(), e / e.sum(1, keepdims=True), rtol=1e-5)


def test_wrong_arguments_are_errors() -> None:
    a = te.placeholder((6, 4), "float32", "a")
    main = built(create_prim_func([a, topi.nn.relu(a)]))["main"]
    good = tensor(np.zeros((6, 4), np.float32))
    with pytest.raises(TypeError, match="2 arguments"):
        main(good)
    with pytest.raises(TypeError, match="float32"):
        main(tensor(np.zeros((6, 4), np.float64)), good)
    with pytest.raises(ValueError, match="dimension 1"):
        main(tensor(np.zeros((6, 5), np.float32)), good)
    with pytest.raises(TypeError, match="must be a tensor"):
        main(3, good)


def scheduled_product(m: int, n: int, k: int) -> PrimFunc:
    """A matrix product in tiles of 8 rows and two vectors, its columns in parallel."""
    a = te.placeholder((m, k), "float32", "a")
    b = te.placeholder((n // 32, k, 32), "float32", "b")
    axis = te.reduce_axis((0, k), "k")
    product = te.compute(
        (m, n), lambda i, j: te.sum(a[i, axis] * b[j // 32, axis, j % 32], axis=axis), "c"
    )
    schedule = tir.Schedule(create_prim_func([a, b, product]))
    block = schedule.get_block("c")
    i, j, r = schedule.get_loops(block)
    jo, ji = schedule.split(j, [None, 32])
    io, ii = schedule.split(i, [None, 8])
    ro, ri = schedule.split(r, [None, 4])
    jv, jl = schedule.split(ji, [2, 16])
    schedule.reorder(jo, io, ro, ri, ii, jv, jl)
    schedule.parallel(jo)
    write = schedule.cache_write(block, 0, "local")
    schedule.reverse_compute_at(write, io)
    rows, columns = schedule.get_loops(write)[-2:]
    vectors, lanes = schedule.split(columns, [2, 16])
    for loop in (rows, vectors, ri, ii, jv):
        schedule.unroll(loop)
    schedule.vectorize(lanes)
    schedule.vectorize(jl)
    schedule.decompose_reduction(block, ro)
    return schedule.mod["main"]


def test_a_scheduled_product_keeps_its_tile_in_registers() -> None:
    m, n, k = 16, 96, 64
    func = scheduled_product(m, n, k)
    x, y = random(m, k), random(k, n)
    packed = np.ascontiguousarray(y.reshape(k, n // 32, 32).transpose(1, 0, 2))
    out = tensor(np.zeros((m, n), np.float32))
    built(func)["main"](tensor(x), tensor(packed), out)
    assert np.allclose(out.numpy(), x @ y, rtol=1e-4, atol=1e-3)
    lines = assembly(text_of(func)).splitlines()
    if any("zmm" in line for line in lines):
        assert not [line for line in lines if "mm" in line and "(%rsp)" in line]
        assert sum("vfmadd" in line for line in lines) == 8 * 2 * 4


def test_rows_of_unknown_length_are_copied_without_calls() -> None:
    rows, columns = te.var("m"), te.var("n")
    x = te.placeholder((rows, columns, 16), name="x")
    sch = tir.Schedule(create_prim_func([x, te.compute(x.shape, lambda *i: x(*i), "y")]))
    *outer, lanes = sch.get_loops("y")
    sch.vectorize(lanes)
    assert '"no-builtin-memcpy"' in text_of(sch.mod["main"])
    sch.fuse(*outer)
    assert '"no-builtin-memcpy"' not in text_of(sch.mod["main"])
