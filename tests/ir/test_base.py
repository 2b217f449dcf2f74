"""Names of `tvm.ir`: nodes by key, functions by name, call maps, diagnostics."""

from __future__ import annotations

import pytest

from tilewright import ir, register_func
from tilewright.ir import diagnostics
from tilewright.ir.base import assert_structural_equal, get_first_structural_mismatch
from tilewright.script import from_source
from tilewright.script import ir as I
from tilewright.script import relax as R
from tilewright.support.errors import ArgumentError, DiagnosticError


def test_a_node_is_made_by_its_key() -> None:
    made = ir.make_node("ir.IntImm", dtype="int32", value=3)
    assert_structural_equal(made, ir.IntImm("int32", 3))
    assert ir.make_node("DictAttrs", a=1).a == 1
    with pytest.raises(ArgumentError, match=r"no class of nodes has the key 'ir\.Nonsense'"):
        ir.make_node("ir.Nonsense")
    with pytest.raises(ArgumentError, match=r"cannot make a ir\.IntImm"):
        ir.make_node("ir.IntImm", colour=1)


def test_the_first_difference_has_a_path() -> None:
    assert get_first_structural_mismatch(ir.Range(0, 2), ir.Range(0, 2)) is None
    assert get_first_structural_mismatch(ir.Range(0, 2), ir.Range(0, 3)) is not None


def test_a_global_function_is_found_by_name() -> None:
    register_func("tests.ir.plus", lambda a, b: a + b, override=True)
    assert ir.EnvFunc.get("tests.ir.plus")(1, 2) == 3
    with pytest.raises(ArgumentError, match="cannot find global function"):
        ir.EnvFunc.get("tests.ir.nonsense")


def test_a_call_map_says_who_calls_whom() -> None:
    @I.ir_module
    class Module:
        @R.function
        def main(self: R.Tensor((2,), "float32")) -> R.Tensor((2,), "float32"):
            return Module.inner(self)

        @R.function
        def inner(self: R.Tensor((2,), "float32")) -> R.Tensor((2,), "float32"):
            return self

    found = ir.analysis.collect_call_map(Module)
    names = {var.name_hint: [c.name_hint for c in called] for var, called in found.items()}
    assert names == {"main": ["inner"], "inner": []}


def test_a_renderer_is_given_the_errors_of_scripts() -> None:
    seen: list[diagnostics.Diagnostic] = []
    diagnostics.override_renderer(lambda context: seen.extend(context.diagnostics))
    try:
        with pytest.raises(DiagnosticError):
            from_source("@T.prim_func\ndef f():\n    T.evaluate(nonsense)\n")
    finally:
        diagnostics.override_renderer(None)
    assert [d.span.line for d in seen if d.span] == [3]
    with pytest.raises(DiagnosticError):
        from_source("@T.prim_func\ndef f():\n    T.evaluate(nonsense)\n")
    assert len(seen) == 1
