"""Rolling buffers of realize statements."""

from __future__ import annotations

import pytest

from tilewright import tir
from tilewright.ir.structural import assert_structural_equal
from tilewright.support.errors import ArgumentError, CompileError
from tilewright.tir import transform as T

from .cases import applied, func_of, same_result

ROWS = """
@T.prim_func
def main(A: T.Buffer((12, 16), "float32"), C: T.Buffer((10, 16), "float32")):
    for i in T.serial(LOOP):
        B = T.Buffer((12, 16), "float32")
        T.realize(B[i:i + 3, 0:16]SCOPE)
        with T.attr(B, "rolling_buffer_scope", T.bool(True)):
            for x, y in T.grid(3, 16):
                B[i + x, y] = A[i + x, y] + T.float32(1)
        for y in range(16):
            C[i, y] = B[i, y] + B[i + 1, y] + B[i + 2, y]
"""
ROLLED = """
@T.prim_func
def main(A: T.Buffer((12, 16), "float32"), C: T.Buffer((10, 16), "float32")):
    B = T.Buffer((12, 16), "float32")
    T.realize(B[0:3, 0:16]SCOPE)
    for i in T.serial(LOOP):
        for x, y in T.grid(3, 16):
            if T.likely(i < FIRST or x >= 2):
                B[(i + x) % 3, y] = A[i + x, y] + T.float32(1)
        for y in range(16):
            C[i, y] = B[i % 3, y] + B[(i + 1) % 3, y] + B[(i + 2) % 3, y]
"""


@pytest.mark.parametrize("scope", ["", ', "shared"', ', "shared", condition=T.bool(False)'])
def test_only_new_rows_are_computed(scope: str) -> None:
    before, after = (text.replace("SCOPE", scope).replace("LOOP", "10") for text in (ROWS, ROLLED))
    made = same_result(T.InjectRollingBuffer(), before, (12, 16), (10, 16))
    assert_structural_equal(made, func_of(after.replace("FIRST", "1")), map_free_vars=True)


def test_the_first_iteration_is_that_of_the_loop() -> None:
    before, after = (text.replace("SCOPE", "").replace("LOOP", "2, 9") for text in (ROWS, ROLLED))
    made = same_result(T.InjectRollingBuffer(), before, (12, 16), (10, 16))
    assert_structural_equal(made, func_of(after.replace("FIRST", "3")), map_free_vars=True)


TILES = """
@T.prim_func
def main(A: T.Buffer((24, 24), "float32"), C: T.Buffer((24, 24), "float32")):
    for k in range(2):
        for OUTER in range(4):
            for INNER in range(5):
                B = T.Buffer((24, 24), "float32")
                T.realize(B[i * 4:i * 4 + 6, j * 4 + 1:j * 4 + 7])
                with T.attr(B, "rolling_buffer_scope", T.bool(True)):
                    for x, y in T.grid(6, 6):
                        B[i * 4 + x, j * 4 + 1 + y] = A[i * 4 + x, j * 4 + 1 + y] * T.float32(2)
                for x, y in T.grid(4, 4):
                    C[i * 4 + x, j * 4 + y] = B[i * 4 + x + 2, j * 4 + y + 2]
"""


@pytest.mark.parametrize(
    ("outer", "inner", "kept"), [("i", "j", "0:6, 0:24"), ("j", "i", "0:24, 0:6")]
)
def test_the_axis_of_the_outer_loop_rolls(outer: str, inner: str, kept: str) -> None:
    text = TILES.replace("OUTER", outer).replace("INNER", inner)
    text = text.replace("(24, 24)", "(26, 26)").replace("0:24", "0:26")
    made = same_result(T.InjectRollingBuffer(), text, (26, 26), (26, 26))
    shown = made.script()
    assert f"T.realize(B_1[{kept.replace('24', '26')}])" in shown
    assert shown.index("for k in") < shown.index("T.realize") < shown.index(f"for {outer}, {inner}")
    assert "if T.likely(i < 1 or x >= 2):" in shown and "if T.likely(j < 1 or y >= 2):" in shown


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("B[i:i + 3, 0:16]", "B[i * i:i * i + 3, 0:16]", r"rolling buffer `B` begins at i \* i"),
        ("B[i:i + 3, 0:16]", "B[0:3, 0:16]", "no loop moves a bound of the rolling buffer `B`"),
        ("        T.realize(B[i:i + 3, 0:16]SCOPE)\n", "", "outside of its realize"),
    ],
)
def test_what_cannot_roll_is_named(old: str, new: str, message: str) -> None:
    text = ROWS.replace(old, new).replace("SCOPE", "").replace("LOOP", "10")
    with pytest.raises(CompileError, match=message):
        applied(T.InjectRollingBuffer(), text)


def test_a_realize_names_its_buffer_bounds_and_memory() -> None:
    text = ROWS.replace("SCOPE", ', "shared", condition=i < 3').replace("LOOP", "10")
    func = func_of(text)
    assert_structural_equal(func_of(func.script()), func, map_free_vars=True)
    assert 'T.realize(B_1[i:i + 3, 0:16], "shared", condition=i < 3)' in func.script()
    attribute = func.body.body
    assert isinstance(attribute, tir.AttrStmt) and isinstance(attribute.body, tir.BufferRealize)
    assert attribute.node is attribute.body.buffer and len(attribute.body.bounds) == 2
    with pytest.raises(ArgumentError, match="has 2 dimensions, realized in 1"):
        attribute.body.replace(bounds=attribute.body.bounds[:1])
