"""Custom data types: declared, written in programs, lowered to integers and calls."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tilewright as tw
from tilewright import tir
from tilewright.support.dtypes import CUSTOM_TYPES
from tilewright.support.errors import ArgumentError, CompileError
from tilewright.target import datatype
from tilewright.tir import transform as T
from tilewright.tir.op.constant import CUSTOM_MINIMA

from .cases import applied, check, func_of

LOWERED = {
    "Add": {32: "MyAdd", 16: "MyAdd16"}, "Max": {32: "MyMax"}, "FloatImm": {32: "MyConstant"},
    "LT": {32: "MyLess"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def my_type() -> Iterator[None]:
    """`custom[mine]`, with a few operators for `llvm`."""
    datatype.register("mine", 150)
    for op, names in LOWERED.items():
        datatype.register_op(datatype.create_lower_func(names), op, "llvm", "mine")
    to, back = {(32, 32): "ToMine"}, {(32, 32): "FromMine"}
    datatype.register_op(datatype.create_lower_func(to), "Cast", "llvm", "float", "mine")
    datatype.register_op(datatype.create_lower_func(back), "Cast", "llvm", "mine", "float")
    exp = datatype.create_lower_func({32: "MyExp"})
    datatype.register_op(exp, "Call", "llvm", "mine", intrinsic_name="tir.exp")
    minimum = datatype.create_min_lower_func({32: "MyLeast"}, "mine")
    datatype.register_min_func(minimum, "mine")
    yield
    del CUSTOM_TYPES["mine"], CUSTOM_MINIMA["custom[mine]"]


TEXT = """
@T.prim_func
def main(A: T.Buffer((8,), "float32"), C: T.Buffer((8,), "TYPE")):
    T.func_attr({"target": T.target("llvm")})
    data = T.allocate([8], "TYPE", "global")
    D = T.decl_buffer((8,), "TYPE", data=data)
    for i in range(8):
        BODY
"""


def _program(dtype: str, *body: str) -> str:
    return TEXT.replace("TYPE", dtype).replace("BODY", "\n        ".join(body))


def _call(dtype: str, name: str, *args: str) -> str:
    return f'T.call_pure_extern("{dtype}", "{name}", {", ".join(args)})'


def test_values_become_bits_and_operators_calls() -> None:
    kind = "custom[mine]32"
    before = _program(
        kind, f'D[i] = T.Cast("{kind}", A[i]) + T.FloatImm("{kind}", 1.5)',
        "C[i] = T.if_then_else(D[i] < C[i], T.exp(D[i]), T.max(C[i], D[i]))",
        'A[i] = T.Cast("float32", C[i])',
    )  # fmt: skip
    to, constant = (
        _call("uint32", "ToMine", "A[i]"),
        _call("uint32", "MyConstant", "T.float32(1.5)"),
    )
    less, exp = _call("bool", "MyLess", "D[i]", "C[i]"), _call("uint32", "MyExp", "D[i]")
    after = _program(
        "uint32", f"D[i] = {_call('uint32', 'MyAdd', to, constant)}",
        f"C[i] = T.if_then_else({less}, {exp}, {_call('uint32', 'MyMax', 'C[i]', 'D[i]')})",
        f"A[i] = {_call('float32', 'FromMine', 'C[i]')}",
    )  # fmt: skip
    check(T.LowerCustomDatatypes(), before, after)
    assert func_of(before).script() == func_of(func_of(before).script()).script()


def test_vectors_are_added_lane_by_lane() -> None:
    lanes = "T.Ramp(0, 1, 4)"
    before = _program("custom[mine]16", f"C[{lanes}] = C[{lanes}] + D[{lanes}]")
    added = _call("uint16x4", "MyAdd16", f"C[{lanes}]", f"D[{lanes}]")
    check(T.LowerCustomDatatypes(), before, _program("uint16", f"C[{lanes}] = {added}"))


def test_functions_without_custom_types_stay_the_same() -> None:
    func = func_of(_program("float32", "C[i] = C[i] + A[i]"))
    made = T.LowerCustomDatatypes()(tw.IRModule({"main": func}))["main"]
    assert made is func


def test_constants_of_a_custom_type_are_not_computed_with() -> None:
    one = tir.const(1, "custom[mine]32")
    assert isinstance(one, tir.FloatImm)
    assert isinstance(one + one, tir.Add) and isinstance(one * 1.0, tir.Mul)
    assert isinstance(one.astype("float32"), tir.Cast)
    least = tir.min_value("custom[mine]32")
    assert isinstance(least, tir.Call) and least.dtype == "custom[mine]32"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("C[i] = C[i] * D[i]", r"no lowering of Mul to mine is registered for llvm: `C\[i\] \* D"),
        ("C[i] = T.sqrt(C[i])", "no lowering of Call of tir.sqrt to mine is registered"),
        ('A[i] = T.Cast("float32", T.Cast("int32", C[i]))', "Cast of mine to int is registered"),
    ],
)
def test_what_nobody_registered_is_named(body: str, message: str) -> None:
    with pytest.raises(CompileError, match=message):
        applied(T.LowerCustomDatatypes(), _program("custom[mine]32", body))


def test_a_target_is_needed() -> None:
    text = _program("custom[mine]32", "C[i] = C[i] + D[i]")
    text = text.replace('    T.func_attr({"target": T.target("llvm")})\n', "")
    with pytest.raises(CompileError, match="for no target"):
        applied(T.LowerCustomDatatypes(), text)
    with tw.target.Target("llvm"):
        assert '"MyAdd"' in applied(T.LowerCustomDatatypes(), text).script()


def test_names_and_numbers_are_unique() -> None:
    datatype.register("mine", 150)
    assert datatype.get_type_code("mine") == 150 and datatype.get_type_name(150) == "mine"
    assert datatype.get_type_registered(150) and not datatype.get_type_registered(151)
    for name, code, message in (
        ("mine", 151, "'mine' has the number 150 already"), ("other", 150, "that of 'mine'"),
        ("other", 3, "is 129 or more: 3"), ("a b", 152, "is no identifier"),
    ):  # fmt: skip
        with pytest.raises(ArgumentError, match=message):
            datatype.register(name, code)
    with pytest.raises(ArgumentError, match="no custom type is called 'other'"):
        tir.Var("x", "custom[other]32")
    with pytest.raises(ArgumentError, match="names the type it makes: dest_type_name"):
        datatype.register_op(datatype.lower_ite, "Cast", "llvm", "mine")
    with pytest.raises(ArgumentError, match="no function is given for 64 bits"):
        datatype.create_lower_func({32: "f"})(tir.FloatImm("custom[mine]64", 1))
