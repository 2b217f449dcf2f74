"""`R.macro`: a call is an expression, the value that the macro returns; items of tuples."""

import pytest

from tilewright.ir import assert_structural_equal
from tilewright.script import relax as R
from tilewright.script.parser import from_source
from tilewright.support.errors import DiagnosticError


def test_the_bindings_of_a_macro_stand_before_its_value() -> None:
    @R.macro
    def squares(x, count=1):  # type: ignore[no-untyped-def]
        y = R.multiply(x, x)
        return R.multiply(y, R.const(count, "float32"))

    @R.function(private=True)
    def found(x: R.Tensor((4,), "float32")):
        z = R.add(squares(x, count=3), x)
        return z

    @R.function(private=True)
    def meant(x: R.Tensor((4,), "float32")):
        y = R.multiply(x, x)
        z = R.add(R.multiply(y, R.const(3, "float32")), x)
        return z

    assert_structural_equal(found, meant)


def test_macros_within_macros_and_of_the_caller() -> None:
    text = """
@R.macro
def double(x):
    return R.add(x, x)

@R.macro(hygienic=False)
def of_w():
    return double(w)

@R.function
def f(w: R.Tensor((4,), "float32")):
    with R.dataflow():
        z = of_w()
        R.output(z)
    return z
"""
    (block,) = from_source(text).body.blocks
    assert [str(b.value) for b in block.bindings] == ["R.add(w, w)"]


def test_a_macro_without_a_value() -> None:
    text = """
@R.macro
def nothing(x):
    y = R.add(x, x)

@R.function
def f(w: R.Tensor((4,), "float32")):
    z = nothing(w)
    return z
"""
    with pytest.raises(DiagnosticError) as error:
        from_source(text, name="a.py")
    assert str(error.value).strip() == (
        "macro `nothing` returns nothing\n"
        "  --> a.py:8:9\n"
        "   8 |     z = nothing(w)\n"
        "     |         ^^^^^^^^^^\n"
        "  hint: end it with `return value`"
    )


def test_names_of_a_macro_are_its_own() -> None:
    text = """
@R.macro
def add_two(v):
    x = v + R.const(1, "int32")
    return x

@R.function
def f(t: R.Tensor((), "int32")):
    u = add_two(t)
    return x
"""
    with pytest.raises(DiagnosticError, match="`x` is not defined"):
        from_source(text)


def test_an_item_of_a_tuple_by_name() -> None:
    text = """
@R.function
def f(x: R.Tensor((4,), "float32")):
    t = (x, x)
    return R.TupleGetItem(t, 1)
"""
    assert "t[1]" in from_source(text).script()
