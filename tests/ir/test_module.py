"""Modules, attributes and operators: what they hold, and copies with something changed."""

from __future__ import annotations

import pytest

from tilewright import tir
from tilewright.ir import DictAttrs, GlobalVar, IRModule, Op, VDevice
from tilewright.ir.op import register_op, register_op_attr
from tilewright.support.errors import ArgumentError

ONE, TWO, THREE = (tir.PrimFunc((), tir.Evaluate(k)) for k in (1, 2, 3))


def test_functions_by_name_in_order() -> None:
    mod = IRModule({"b": ONE, "a": TWO})
    pairs = mod.functions_items()
    assert [(var.name_hint, func) for var, func in pairs] == [("b", ONE), ("a", TWO)]
    assert pairs == mod.items() and list(mod) == [var for var, _ in pairs]
    assert mod.get_global_vars() == tuple(mod)
    assert len(mod) == 2 and "a" in mod and GlobalVar("b") in mod and "c" not in mod


def test_a_module_is_filled_step_by_step() -> None:
    mod = IRModule({"a": ONE})
    var = mod.get_global_var("a")
    mod.update_func(var, TWO)
    assert mod["a"] is TWO and mod.get_global_var("a") is var
    mod.update_func(GlobalVar("new"), THREE)
    assert mod.names() == ["a", "new"] and mod["new"] is THREE
    mod.update(IRModule({"a": ONE, "more": TWO}))
    assert [func for _, func in mod.items()] == [ONE, THREE, TWO]
    del mod["new"]
    assert mod.names() == ["a", "more"]
    with pytest.raises(ArgumentError, match="the module has no function 'new'"):
        del mod["new"]


def test_global_infos_are_replaced_whole() -> None:
    mod = IRModule({}, global_infos={"vdevice": (VDevice("llvm"),)})
    first, second = VDevice("llvm", 1), VDevice("cuda")
    mod.update_global_info("vdevice", [first, second])  # type: ignore[arg-type]
    mod.update_global_info("other", (first,))
    assert mod.global_infos == {"vdevice": (first, second), "other": (first,)}


def test_a_clone_is_filled_apart() -> None:
    mod = IRModule({"a": ONE}, {"key": 1})
    twin = mod.clone()
    twin["b"] = TWO
    twin.update_global_info("vdevice", (VDevice("llvm"),))
    assert mod.names() == ["a"] and mod.global_infos == {}
    assert twin["a"] is ONE and twin.attrs == {"key": 1}


def test_copies_with_attributes_leave_the_rest() -> None:
    mod = IRModule({"a": ONE}, {"kept": 1, "changed": 2})
    made = mod.with_attrs({"changed": 3, "new": "x"})
    assert made.attrs == {"kept": 1, "changed": 3, "new": "x"} and made["a"] is ONE
    assert mod.attrs == {"kept": 1, "changed": 2}
    assert made.get_attr("new") == "x" and made.get_attr("nothing") is None
    assert made.without_attr("changed").attrs == {"kept": 1, "new": "x"}
    func = ONE.with_attr("kept", 1).with_attrs({"tir.noalias": True, "kept": 2})
    assert func.attrs == {"kept": 2, "tir.noalias": True} and func.body is ONE.body
    assert func.without_attr("kept").attrs == {"tir.noalias": True} and ONE.attrs == {}


def test_a_module_of_one_function_is_called_by_its_symbol() -> None:
    named = ONE.with_attr("global_symbol", "kernel")
    assert IRModule.from_expr(named).names() == ["kernel"]
    with_more = IRModule.from_expr(ONE, {GlobalVar("other"): TWO})
    assert with_more.names() == ["other", "main"] and with_more["main"] is ONE


def test_attributes_are_read_by_name_as_text_and_as_numbers() -> None:
    attrs = DictAttrs(extent=tir.IntImm("int32", 3), name="x", count="12")
    assert attrs.name == attrs["name"] == attrs.get_str("name") == "x"
    assert attrs.get_int("count") == 12 and attrs.get_int("extent") == 3
    with pytest.raises(AttributeError, match="no attribute 'size'; there are count, extent, name"):
        attrs.size  # noqa: B018
    with pytest.raises(KeyError, match="size"):
        attrs.get_int("size")


def test_operators_are_listed_and_carry_attributes() -> None:
    op = register_op("tests.ir.marked", colour="red")
    names = Op.list_op_names()
    assert {"tests.ir.marked", "tir.exp"} <= set(names) and names == sorted(names)
    assert Op.get("tests.ir.marked") is op and op.name == "tests.ir.marked"
    op.set_attr("size", 3)
    assert op.has_attr("size") and op.get_attr("size") == 3 and op.get_attr("colour") == "red"
    op.set_attr("size", 4)
    assert op.get_attr("size") == 4
    op.reset_attr("size")
    assert not op.has_attr("size") and op.get_attr("size") is None


def test_what_is_declared_at_a_higher_level_stays() -> None:
    op = register_op("tests.ir.levels", kind="first")
    register_op_attr("tests.ir.levels", "kind", "low", level=5)
    assert op.get_attr("kind") == "first"
    op.set_attr("kind", "high", plevel=11)
    register_op("tests.ir.levels", kind="late")
    assert op.get_attr("kind") == "high"

    @register_op_attr("tests.ir.levels", "kind", level=12)
    def best() -> None: ...

    assert op.get_attr("kind") is best
    op.reset_attr("kind")
    op.set_attr("kind", "anew", plevel=1)
    assert op.get_attr("kind") == "anew"
