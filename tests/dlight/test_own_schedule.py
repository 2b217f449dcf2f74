"""What counts as scheduled by hand: `build` compiles it as it is written."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import tilewright as tw
from tilewright import te, topi
from tilewright.dlight.analysis import collect
from tilewright.dlight.own_schedule import has_own_schedule
from tilewright.script import tir as T
from tilewright.support.knobs import CACHE
from tilewright.tir import PrimFunc
from tilewright.tir.schedule import Schedule
from tilewright.tir.stmt import For


@T.prim_func
def product(
    A: T.Buffer((32, 16), "float32"), B: T.Buffer((16, 64), "float32"),
    C: T.Buffer((32, 64), "float32"),
):  # fmt: skip
    for i, j, k in T.grid(32, 64, 16):
        with T.block("C"):
            u, v, w = T.axis.remap("SSR", [i, j, k])
            with T.init():
                C[u, v] = T.float32(0)
            C[u, v] += A[u, w] * B[w, v]


@T.prim_func
def chain(A: T.Buffer((32, 64), "float32"), C: T.Buffer((32, 64), "float32")):
    B = T.alloc_buffer((32, 64))
    for i, j in T.grid(32, 64):
        with T.block("B"):
            u, v = T.axis.remap("SS", [i, j])
            B[u, v] = A[u, v] + T.float32(1)
    for i, j in T.grid(32, 64):
        with T.block("C"):
            u, v = T.axis.remap("SS", [i, j])
            C[u, v] = B[u, v] * T.float32(2)


STEPS: dict[str, tuple[PrimFunc, Callable[[Schedule], object]]] = {
    "split": (product, lambda s: s.split(s.get_loops("C")[0], [None, 8])),
    "uneven split": (product, lambda s: s.split(s.get_loops("C")[0], [None, 5])),
    "reorder": (product, lambda s: s.reorder(*reversed(s.get_loops("C")))),
    "fuse": (product, lambda s: s.fuse(*s.get_loops("C")[:2])),
    "unit loop": (product, lambda s: s.add_unit_loop("C")),
    "unroll": (product, lambda s: s.unroll(s.get_loops("C")[2])),
    "annotate": (product, lambda s: s.annotate(s.get_loops("C")[2], "pragma_x", 1)),
    "decompose": (product, lambda s: s.decompose_reduction("C", s.get_loops("C")[1])),
    "local tile": (product, lambda s: s.cache_write("C", 0, "local")),
    "blockize": (product, lambda s: s.blockize(s.split(s.get_loops("C")[2], [None, 4])[1])),
    "compute_at": (chain, lambda s: s.compute_at("B", s.get_loops("C")[0])),
}


@pytest.mark.parametrize("name", STEPS)
def test_one_step_makes_a_schedule(name: str) -> None:
    func, step = STEPS[name]
    assert not has_own_schedule(func)
    sch = Schedule(func)
    step(sch)
    assert has_own_schedule(sch.func)
    assert set(sch.func.attrs) == set(func.attrs)


def scan() -> list[te.Tensor]:
    """Running sums down the columns."""
    given, state = te.placeholder((8, 4), name="given"), te.placeholder((8, 4), name="state")
    first = te.compute((1, 4), lambda _, j: given[0, j])
    step = te.compute((8, 4), lambda t, j: state[t - 1, j] + given[t, j])
    return [given, te.scan(first, step, state, inputs=[given])]


def made(function: Callable[..., te.Tensor], *shape: int) -> list[te.Tensor]:
    """A tensor, and what a function makes of it."""
    given = te.placeholder(shape, name="given")
    return [given, function(given)]


PLAIN: dict[str, list[te.Tensor]] = {
    "softmax": made(topi.nn.softmax, 4, 8),
    "strided pooling": made(
        lambda a: topi.nn.pool2d(a, (2, 2), (2, 2), (1, 1), (0, 0, 0, 0), "max"), 1, 4, 8, 8
    ),
    "no axes": made(topi.sum, 4, 8),
    "one size of 1": made(topi.exp, 1, 8),
    "sort, which has vectors in its block": made(topi.sort, 4, 8),
    "scan": scan(),
}


@pytest.mark.parametrize("name", PLAIN)
def test_programs_of_tensors_have_no_schedule(name: str) -> None:
    assert not has_own_schedule(te.create_prim_func(PLAIN[name]))


def test_indices_are_no_schedule() -> None:
    @T.prim_func
    def flat(A: T.Buffer((32,), "float32"), B: T.Buffer((32,), "float32")):
        for i, j in T.grid(8, 4):
            with T.block("B"):
                u, v = T.axis.remap("SS", [i, j])
                B[u * 4 + v] = A[u * 4 + v] + T.float32(1)

    assert not has_own_schedule(flat)


def test_build_keeps_the_loops_of_the_user() -> None:
    sch = Schedule(product)
    i, j, k = sch.get_loops("C")
    rows, row = sch.split(i, [None, 2])
    columns, column = sch.split(j, [None, 8])
    sch.reorder(rows, columns, k, row, column)
    with CACHE.set("off"):
        library = tw.build(sch.mod, "llvm")
    loops = collect(library.lowered["main"], For)
    first_step = [2, 8]
    assert [loop.extent.value for loop in loops] == [16, 8, *first_step, 15, 2, 8]

    rng = np.random.default_rng(0)
    a, b = rng.random((32, 16), "float32"), rng.random((16, 64), "float32")
    result = np.zeros((32, 64), "float32")
    library["product"](a, b, result)
    np.testing.assert_allclose(result, a @ b, rtol=1e-5)
