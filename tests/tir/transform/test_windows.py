"""Windows over rows of unknown length: borders and the last tile are told apart by few cases."""

from __future__ import annotations

import pytest

from tilewright.ir.transform import Sequential
from tilewright.tir import Select
from tilewright.tir import transform as T
from tilewright.tir.expr import Call
from tilewright.tir.stmt import For, IfThenElse, Stmt

from .cases import applied, nodes, same_result

WINDOW = """@T.prim_func
def main(a: T.handle, b: T.handle):
    n = T.int64(is_size_var=True)
    A = T.match_buffer(a, (n,))
    B = T.match_buffer(b, (ROWS,))
    for i in range((ROWS + 3) // 4):
        for r in T.unroll(T.int64(4)):
            if i * 4 + r < ROWS:
                B[i * 4 + r] = T.float32(0)
        for k in T.unroll(T.int64(TAPS)):
            for r in T.unroll(T.int64(4)):
                if i * 4 + r < ROWS:
                    B[i * 4 + r] = B[i * 4 + r] * T.float32(2) + T.if_then_else(
                        PAD <= (i * 4 + r) * STRIDE + k and (i * 4 + r) * STRIDE + k < n + PAD,
                        A[(i * 4 + r) * STRIDE + k - PAD], T.float32(0))
"""


def window(taps: int, stride: int) -> str:
    """Sums of `taps` elements, every `stride`-th, of a row with a border that keeps its length."""
    text = WINDOW.replace("ROWS", f"((n + {stride - 1}) // {stride})")
    return text.replace("TAPS", str(taps)).replace("PAD", str(taps // 2)).replace(
        "STRIDE", str(stride)
    )  # fmt: skip


CUT = T.LoopPartition(cuts_constant=True)


@pytest.mark.parametrize("n", [*range(12), 16, 17, 30])
@pytest.mark.parametrize(("taps", "stride"), [(3, 1), (5, 1), (3, 2), (5, 2), (3, 3)])
def test_what_a_window_computes_stays(taps: int, stride: int, n: int) -> None:
    same_result(CUT, window(taps, stride), (n,), ((n + stride - 1) // stride,))


def choices(part: Stmt) -> int:
    """The conditions on places within `part`."""
    calls = [c for c in nodes(part, Call) if getattr(c.op, "name", "") == "tir.if_then_else"]
    return len(calls) + len(nodes(part, Select))


@pytest.mark.parametrize("taps", [3, 5])
def test_tiles_at_the_end_have_cases_without_conditions_on_places(taps: int) -> None:
    steps = Sequential([CUT, T.Simplify(), T.UnrollLoop(), T.Simplify()])
    made = applied(steps, window(taps, 1))
    loops = nodes(made.body, For)
    assert len(loops) == 3
    first, main, rest = loops
    assert choices(main) == choices(rest) == 0
    cases = [b for b in nodes(rest, IfThenElse) if b.else_case is not None]
    assert len(cases) == 4 + taps // 2 - 2  # one less than there are cases
    assert choices(first) > 0  # a row shorter than a tile, beside which a whole tile stands
    whole = nodes(first, IfThenElse)[-1]  # the outermost
    assert choices(whole.then_case) < choices(whole.else_case)


ASKED = """@T.prim_func
def main(a: T.handle, b: T.handle):
    n = T.int64(is_size_var=True)
    A = T.match_buffer(a, (n,))
    B = T.match_buffer(b, (n,))
    for i in T.serial(n, annotations={"tir.loop_partition.uncut": 1}):
        B[i] = T.float32(0)
        for k in T.serial(T.int64(3), annotations={"tir.loop_partition.choice": 1}):
            B[i] = B[i] + T.if_then_else(1 <= i + k and i + k <= n, A[i + k - 1], T.float32(0))
"""


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7])
def test_a_loop_asks_in_which_part_it_is(n: int) -> None:
    made = same_result(CUT, ASKED, (n,), (n,))
    assert len(nodes(made.body, For)) == 2
    (asked,) = nodes(made.body, IfThenElse)
    assert choices(asked.then_case) == 0
