"""Nodes: equality up to renaming, mismatch paths, hash, JSON, rewriting, depth."""

from typing import Any

import pytest

from tilewright import ir, tir
from tilewright.ir import Rewriter, on


def increment(name: str, extent: int = 16) -> tir.PrimFunc:
    n = tir.Var("n", "int32")
    buffer = tir.decl_buffer((extent, n), "float32", name)
    i = tir.Var(name + "_i", "int32")
    store = tir.BufferStore(buffer, buffer[i, 0] + 1.0, (i, 0))
    return tir.PrimFunc((buffer,), tir.For(i, 0, extent, tir.ForKind.SERIAL, store))


def test_bound_names_do_not_matter() -> None:
    a, b = increment("a"), increment("b")
    assert ir.structural_equal(a, b)
    assert ir.structural_hash(a) == ir.structural_hash(b)


def test_a_mismatch_says_where() -> None:
    found = ir.get_first_structural_mismatch(increment("a"), increment("a", 17))
    assert found is not None
    assert str(found[0]) == "<root>.buffer_map[a_handle].shape[0].value"


def test_a_buffer_that_nothing_declares_is_known_by_its_parts() -> None:
    def store(extent: int = 4) -> tuple[tir.Buffer, tir.Stmt]:
        buffer = tir.decl_buffer((extent,), "float32", "b")
        return buffer, tir.BufferStore(buffer, 1.0, (0,))

    (b, first), (_, second) = store(), store()
    assert ir.structural_equal(first, second) and not ir.structural_equal(first, store(5)[1])
    assert ir.structural_hash(first) == ir.structural_hash(second)
    same, other = tir.SeqStmt((first, first)), tir.SeqStmt((first, second))
    assert not ir.structural_equal(same, other)
    view = tir.decl_buffer((4,), "float32", "v", data=b.data)
    alike = tir.SeqStmt((first, tir.BufferStore(view, 1.0, (0,))))
    assert ir.structural_equal(same, alike)
    assert ir.structural_hash(same) == ir.structural_hash(alike)


def test_free_variables_are_equal_only_if_asked() -> None:
    x, y = tir.Var("x", "int32"), tir.Var("y", "int32")
    assert not ir.structural_equal(x + 1, y + 1)
    assert ir.structural_equal(x + 1, y + 1, map_free_vars=True)
    assert not ir.structural_equal(x + y, x + x, map_free_vars=True)


def test_json_keeps_structure_and_sharing() -> None:
    func = increment("a")
    back = ir.load_json(ir.save_json(ir.IRModule({"main": func})))
    assert ir.structural_equal(back["main"], func)
    x = tir.Var("x", "int32")
    pair = ir.load_json(ir.save_json((x, x)))
    assert pair[0] is pair[1]


def test_nan_and_infinity_survive_json() -> None:
    for value in (float("nan"), float("inf"), -0.0):
        constant = tir.const(value, "float32")
        assert ir.structural_equal(ir.load_json(ir.save_json(constant)), constant)


def test_rewriting_keeps_what_does_not_change() -> None:
    class Swap(Rewriter):
        @on(tir.IntImm)
        def number(self, n: tir.IntImm) -> Any:
            return tir.IntImm(n.dtype, 18) if n.value == 17 else n

    same, changed = increment("a"), increment("a", 17)
    assert Swap().run(same) is same
    assert ir.structural_equal(Swap().run(changed), increment("a", 18))


def test_depth_does_not_matter() -> None:
    x, total = tir.Var("x", "int32"), tir.const(0, "int32")
    for _ in range(20_000):
        total = total + x
    seen = []
    ir.post_order_visit(total, seen.append)
    assert len(seen) == 20_000
    assert ir.structural_equal(ir.load_json(ir.save_json(total)), total, map_free_vars=True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", "the JSON lacks 'tilewright', 'root', 'nodes'"),
        ("[1]", "the JSON lacks"),
        ("{", "the text is no JSON"),
        ('{"tilewright": 1, "root": {"node": 5}, "nodes": []}', "do not fit together"),
        ('{"tilewright": 1, "root": 0, "nodes": [["ir.Range", [1], null]]}', "do not fit together"),
    ],
)
def test_json_of_something_else_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match="not a program saved by save_json") as refused:
        ir.load_json(text)
    assert reason in str(refused.value)
