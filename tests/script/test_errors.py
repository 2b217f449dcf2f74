"""A mistake in script is shown with its line, a caret, and a way out."""

import pytest

from tilewright.script import from_source
from tilewright.support.errors import DiagnosticError

HEAD = '@T.prim_func\ndef f(A: T.Buffer((8, 8), "float32"), n: T.int32):\n'
RELAX = '@R.function\ndef f(x: R.Tensor((2, 3), "float32")) -> R.Object:\n'

CASES = [
    (HEAD + "    A[0, 0] = B[0, 0]", "`B` is not defined", 3, 15),
    (HEAD + "    A[0, 0] = T.float33(1)", "no `T.float33`", 3, 15),
    (HEAD + "    A[0] = T.float32(1)", "2 dimensions, indexed with 1", 3, 5),
    (HEAD + "    A[0, 0] = A[n]", "2 dimensions, indexed with 1", 3, 15),
    (HEAD + "    A[0, 0] = A[0, 0:2]", "float32x2", 3, 15),
    (HEAD + "    A[0, T.float32(1)] = T.float32(1)", "float32", 3, 5),
    (HEAD + "    if A[n, n]:\n        A[0, 0] = T.float32(1)", "needs a boolean condition", 3, 8),
    (HEAD + "    for i in T.serial():\n        pass", "missing a required argument", 3, 14),
    (HEAD + "    for i, j in T.grid(8):\n        pass", "1 loops with 2 variables", 3, 9),
    (HEAD + "    for i in [1, 2]:\n        pass", "a loop runs over a list", 3, 14),
    (HEAD + "    T.reads(A[0, 0])", "outside of a block", 3, 5),
    (HEAD + "    v = T.axis.spatial(8, n)", "outside of a block", 3, 5),
    (HEAD + '    for i in range(8):\n        with T.block("b"):\n'
     '            v = T.axis.remap("Q", [i])', "remap knows S and R", 5, 13),
    (HEAD + '    for i in range(8):\n        with T.block("b"):\n'
     '            v, w = T.axis.remap("S", [i])', "1 values are assigned to 2 names", 5, 13),
    (HEAD + '    for i in range(8):\n        with T.block("b"):\n'
     '            v = T.axis.spatial(8, i)\n            w = T.axis.spatial(8, v)',
     "depends on the axis `v`", 6, 13),
    (HEAD + '    for i in range(8):\n        with T.block("b"):\n'
     '            v = T.axis.spatial(8, i)\n            T.where(v < 3)',
     "depends on the axis `v`", 6, 13),
    ("@I.ir_module\nclass M:\n    @T.prim_func\n    def f():\n        pass\n\n"
     "    @T.prim_func\n    def f():\n        pass", "two functions `f`", 8, 5),
    (HEAD + "    A[0, 0] = A[0, 0] & A[0, 0]", "needs integers", 3, 15),
    (HEAD + "    return", "returns nothing", 3, 5),
    (HEAD + "    import os", "no `Import` statement", 3, 5),
    (HEAD + "    x = open('a')", "`open` is not defined", 3, 9),
    (HEAD + "    x = A.__class__", "cannot read `__class__`", 3, 9),
    ("@T.prim_func\ndef f(A):\n    pass", "parameter `A` has no type", 2, 7),
    ("@T.prim_func\ndef f(A: 3):\n    pass", "`3` is no type", 2, 10),
    ("def f():\n    pass", "no decorator", 1, 1),
    ("@R.function\ndef f(x):\n    return x", "parameter `x` has no annotation", 2, 7),
    (RELAX + "    y = R.add(x, z)\n    return y", "`z` is not defined", 3, 18),
    (RELAX + "    y = R.addd(x, x)\n    return y", "no `R.addd`", 3, 9),
    (RELAX + "    y = R.add(x)\n    return y", "add", 3, 9),
    (RELAX + '    y: R.Tensor((2, 3), "int8") = R.add(x, x)\n    return y', "says int8", 3, 5),
    (RELAX + "    y = R.matmul(x, x)\n    return y", "matmul", 3, 5),
    (RELAX + "    y = R.exp(x)", "returns nothing", 2, 1),
    (RELAX + "    with R.dataflow():\n        y = R.exp(x)\n        R.output(y)\n        z = q\n"
     "    return y", "`q` is not defined", 6, 13),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message", "line", "column"), CASES)
def test_a_mistake_has_a_place(text: str, message: str, line: int, column: int) -> None:
    with pytest.raises(DiagnosticError) as caught:
        from_source(text, name="model.py")
    error = caught.value
    assert message in error.message
    assert error.span is not None
    assert (error.span.source_name, error.span.line, error.span.column) == (
        "model.py",
        line,
        column,
    )
    assert f"model.py:{line}:{column}" in str(error)
    assert f"{line} | " in str(error)
    assert "^" in str(error)


def test_text_that_is_not_python() -> None:
    with pytest.raises(DiagnosticError, match=r"this is not Python[\s\S]*:2:"):
        from_source("@T.prim_func\ndef f(:\n    pass")


def test_a_name_nearly_right_is_suggested() -> None:
    with pytest.raises(DiagnosticError, match="did you mean value"):
        from_source("@T.prim_func\ndef f(value: T.int32):\n    T.evaluate(valu)")


def test_a_text_without_its_metadata() -> None:
    text = RELAX + '    return metadata["relax.expr.Constant"][0]'
    with pytest.raises(DiagnosticError, match="show_meta=True"):
        from_source(text)


def test_long_sums_are_read_and_endless_ones_are_refused() -> None:
    text = HEAD + "    A[0, 0] = " + " + ".join(["A[0, 0]"] * 3000)
    assert from_source(text).script().count("A[0, 0]") == 3001
    with pytest.raises(DiagnosticError, match="nested too deeply") as caught:
        from_source(HEAD + "    A[0, 0] = " + "+".join(["1"] * 200_000), name="model.py")
    assert caught.value.span is not None and caught.value.span.source_name == "model.py"
