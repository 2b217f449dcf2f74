"""Layouts of inputs that go with wanted layouts of outputs."""

from __future__ import annotations

from typing import Any

import pytest

from tilewright import tir
from tilewright.relax.analysis import suggest_layout_transforms
from tilewright.script import from_source
from tilewright.support.errors import ArgumentError


def kernel(parameters: str, extents: str, axes: str, kinds: str, statement: str) -> tir.PrimFunc:
    func: tir.PrimFunc = from_source(f"""
@T.prim_func
def main({parameters}):
    for {axes} in T.grid({extents}):
        with T.block("b"):
            {", ".join("v" + a for a in axes.split(", "))} = T.axis.remap("{kinds}", [{axes}])
            {statement}
""")
    return func


def shown(func: tir.PrimFunc, *transforms: Any) -> dict[str, str]:
    """The suggested maps by the name of what they are for."""
    made = suggest_layout_transforms(func, list(transforms))
    return {
        getattr(key, "name_hint", getattr(key, "name", "")): index_map.as_python()
        for found in made.values()
        for key, index_map in found.items()
    }


POOL = kernel(
    'A: T.Buffer((2, 8, 9, 9), "float32"), B: T.Buffer((2, 8, 4, 4), "float32")',
    "2, 8, 4, 4, 3, 3", "n, c, h, w, r, s", "SSSSRR",
    "B[vn, vc, vh, vw] = T.max(B[vn, vc, vh, vw], A[vn, vc, vh * 2 + vr, vw * 2 + vs])",
)  # fmt: skip


def test_dimensions_follow_the_axes_that_run_along_them() -> None:
    assert shown(POOL, lambda n, c, h, w: (n, c // 4, h, w, c % 4)) == {
        "b": "lambda vn, vc, vh, vw, vr, vs: (vn, vc // 4, vh, vw, vr, vs, vc % 4,)",
        "B": "lambda n, c, h, w: (n, c // 4, h, w, c % 4,)",
        "A": "lambda vn, vc, vh, vw: (vn, vc // 4, vh, vw, vc % 4,)",
    }


def test_what_a_smaller_input_has_of_the_dimensions_follows() -> None:
    add = kernel(
        'A: T.Buffer((8, 4), "int8"), B: T.Buffer((4,), "int8"), C: T.Buffer((8, 4), "int8")',
        "8, 4", "i, j", "SS", "C[vi, vj] = A[vi, vj] + B[vj]",
    )  # fmt: skip
    found = shown(add, lambda i, j: (j // 2, i, j % 2))
    assert found["B"] == "lambda vj: (vj // 2, vj % 2,)"


@pytest.mark.parametrize(
    ("statement", "transform"),
    [
        ("C[vi, vj] = A[vi, vj]", lambda i, j: (i, j // 3, j % 3)),
        ("C[vi, (vi + vj) % 4] = A[vi, vj]", lambda i, j: (j, i)),
    ],
)
def test_no_suggestion_where_axes_are_not_mapped_one_to_one(statement: str, transform: Any) -> None:
    parameters = 'A: T.Buffer((8, 4), "float32"), C: T.Buffer((8, 4), "float32")'
    assert shown(kernel(parameters, "8, 4", "i, j", "SS", statement), transform) == {}


def test_another_order_or_no_affine_index_stays() -> None:
    parameters = 'A: T.Buffer((4, 8), "float32"), C: T.Buffer((8, 4), "float32")'
    for index in ("vj, vi", "vj, T.min(vi, 3)"):
        func = kernel(parameters, "8, 4", "i, j", "SS", f"C[vi, vj] = A[{index}]")
        assert set(shown(func, lambda i, j: (j, i))) == {"b", "C"}


def test_maps_fit_the_function() -> None:
    identity = tir.IndexMap.from_func(lambda i: i)
    with pytest.raises(ArgumentError, match="3 write_buffer_transforms for a function of 2"):
        suggest_layout_transforms(POOL, [identity] * 3)
    with pytest.raises(ArgumentError, match="`B`, which has 4 dimensions, is mapped from 1"):
        suggest_layout_transforms(POOL, [identity])
    with pytest.raises(ArgumentError, match="is an IndexMap or a function"):
        suggest_layout_transforms(POOL, [2])  # type: ignore[list-item]
    assert suggest_layout_transforms(POOL, []) == {}
