"""What the parts of a row have in common."""

from __future__ import annotations

import numpy as np

from tilewright.tir import (
    BufferLoad,
    BufferStore,
    Cast,
    For,
    ForKind,
    PrimFunc,
    SeqStmt,
    Stmt,
    Var,
    const,
    decl_buffer,
)

from .native import Compiled


def rows(end: Var | int) -> PrimFunc:
    """for r in range(6): out[r, :end] and out[r, end:9], both from x and r // 3."""
    x, out = decl_buffer((9,), "float32", "x"), decl_buffer((54,), "float32", "out")
    r = Var("r", "int32")
    stop = end if isinstance(end, Var) else const(end, "int32")

    def part(begin: Var | int, extent: object) -> Stmt:
        i = Var("i", "int32")
        place = i + begin
        times = Cast("float32", (r - 4) // 3)
        store = BufferStore(out, BufferLoad(x, [place]) * times, [r * 9 + place])
        return For(i, 0, extent, ForKind.SERIAL, store)

    both = SeqStmt((part(0, stop), part(stop, const(9, "int32") - stop)))
    params = [x.data, out.data, *([end] if isinstance(end, Var) else [])]
    return PrimFunc(params, For(r, 0, 6, ForKind.SERIAL, both))


def test_it_is_computed_once() -> None:
    compiled = Compiled({"kernel": rows(Var("end", "int32"))})
    x = np.arange(9, dtype=np.float32) + 1
    for end in (0, 4, 9):
        out = np.zeros((6, 9), np.float32)
        compiled("kernel", x, out, end)
        assert np.array_equal(out, x * ((np.arange(6) - 4) // 3)[:, None])
    assert compiled.text.count("sdiv") == 1
    assert compiled.text.count("sitofp") == 1


def test_parts_of_known_length_stay_as_they_are() -> None:
    assert Compiled({"kernel": rows(4)}).text.count("sdiv") == 2
