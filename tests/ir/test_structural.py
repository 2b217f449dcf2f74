"""Structural equality: what it sees and what it leaves out, and the paths of differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tilewright as tw
from tilewright import ir, tir
from tilewright.ffi.access_path import AccessPath
from tilewright.script import tir as T

ROOT = AccessPath.root()


def agree(a: object, b: object) -> bool:
    """Whether the two are equal, which their hashes must confirm."""
    equal = ir.structural_equal(a, b)
    assert equal == ir.structural_equal(b, a)
    assert equal == (ir.structural_hash(a) == ir.structural_hash(b))
    return equal


def doubled(block: str, scope: str = "global") -> tir.PrimFunc:
    @T.prim_func(private=True)
    def func(a: T.handle, b: T.Buffer((4,), "float32")):
        A = T.match_buffer(a, (4,), scope=scope)
        for i in range(4):
            with T.block(block):
                v = T.axis.spatial(4, i)
                b[v] = A[v] * T.float32(2)

    made: tir.PrimFunc = func
    return made


def test_names_of_blocks_do_not_matter_and_memory_scopes_do() -> None:
    assert agree(doubled("this"), doubled("that"))
    assert not agree(doubled("this"), doubled("this", "shared"))


def test_tensors_and_functions_are_equal_by_content() -> None:
    values = np.arange(6, dtype="int32")
    assert agree(tw.nd.array(values), tw.nd.array(values))
    assert not agree(tw.nd.array(values), tw.nd.array(values.reshape(2, 3)))
    assert not agree(tw.nd.array(values), tw.nd.array(values + 1))
    tw.register_func("tests.ir.structural", lambda x: x, override=True)
    found = ir.EnvFunc.get("tests.ir.structural")
    assert agree(found, ir.EnvFunc.get("tests.ir.structural"))
    loaded = ir.load_json(ir.save_json([found, tw.nd.array(values)]))
    assert agree(loaded, [found, tw.nd.array(values)])
    assert loaded[0](3) == 3


def test_containers_of_the_abi_are_sequences_and_mappings() -> None:
    held = tw.runtime.convert([1, 2.5, {"a": tir.const(1)}])
    assert agree(held, [1, 2.5, {"a": tir.const(1)}])
    assert agree(ir.load_json(ir.save_json(held)), held)


X, Y = tir.Var("x", "int32"), tir.Var("y", "int32")


@pytest.mark.parametrize(
    ("left", "right", "paths"),
    [
        ([1, 2], [1, 3], (ROOT.array_item(1), ROOT.array_item(1))),
        ([1], [1, 3], (ROOT.array_item_missing(1), ROOT.array_item(1))),
        ({"a": 1}, {"a": 2}, (ROOT.map_item("a"), ROOT.map_item("a"))),
        ({"a": 1}, {}, (ROOT.map_item("a"), ROOT.map_item_missing("a"))),
        ({}, {"b": 1}, (ROOT.map_item_missing("b"), ROOT.map_item("b"))),
        (X + 1, X + 2, (ROOT.attr("b").attr("value"), ROOT.attr("b").attr("value"))),
        (X + 1, Y + 1, (ROOT.attr("a"), ROOT.attr("a"))),
    ],
)
def test_the_first_difference_has_a_path_in_each_side(left: Any, right: Any, paths: Any) -> None:
    assert ir.get_first_structural_mismatch(left, right) == paths
    assert ir.get_first_structural_mismatch(right, left) == paths[::-1]


def test_the_message_shows_and_underlines_the_difference() -> None:
    with pytest.raises(ValueError, match=r"<root>\.value\.value") as error:
        ir.assert_structural_equal(tir.Evaluate(1), tir.Evaluate(2))
    assert str(error.value).splitlines()[1:3] == ["T.evaluate(1)", " " * 11 + "^"]


def test_the_path_into_a_module_names_the_function() -> None:
    one, other = (ir.IRModule({"main": doubled("b").with_attr("n", n)}) for n in (1, 2))
    found = ir.get_first_structural_mismatch(one, other)
    assert found is not None
    assert str(found[0]) == '<root>.functions[I.GlobalVar("main")].attrs["n"]'


def test_paths_of_tvm_ffi_are_equal_to_ours() -> None:
    from tvm_ffi.access_path import AccessPath as Other

    theirs = Other.root().attr("body").array_item(2).map_item("k")
    assert ROOT.attr("body").array_item(2).map_item("k") == theirs
    assert ROOT.attr("body").array_item(2).map_item("j") != theirs
    assert ROOT != "<root>"
