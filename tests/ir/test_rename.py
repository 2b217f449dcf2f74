"""Functions of a module under other names."""

from __future__ import annotations

import pytest

from tilewright.script import from_source
from tilewright.support.errors import ArgumentError

Module = from_source("""
@I.ir_module
class Module:
    @R.function
    def main(x: R.Tensor((4,), "float32")) -> R.Tensor((4,), "float32"):
        y = R.call_tir(Module.double, (x,), out_sinfo=R.Tensor((4,), "float32"))
        return y

    @T.prim_func(private=True)
    def double(X: T.Buffer((4,), "float32"), Y: T.Buffer((4,), "float32")):
        for i in range(4):
            Y[i] = X[i] * 2.0
""")


def test_a_function_is_renamed_wherever_it_is_mentioned() -> None:
    made = Module.replace_global_vars({"double": "twice", Module.get_global_var("main"): "run"})
    assert made.names() == ["run", "twice"]
    assert made["run"].attrs["global_symbol"] == "run"
    assert "global_symbol" not in made["twice"].attrs
    assert "cls.twice" in made.script() and "double" not in made.script()
    assert Module.names() == ["main", "double"]


def test_without_replacements_the_module_stays() -> None:
    assert Module.replace_global_vars({}) is Module


def test_names_are_there_and_stay_apart() -> None:
    with pytest.raises(ArgumentError, match="no function 'nothing'"):
        Module.replace_global_vars({"nothing": "something"})
    with pytest.raises(ArgumentError, match="two functions would be called 'main'"):
        Module.replace_global_vars({"double": "main"})
