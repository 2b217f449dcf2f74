"""Every type of the script namespace is a parameter's type and a constructor of constants."""

from __future__ import annotations

import re

import pytest

from tilewright import tir
from tilewright.ir.structural import assert_structural_equal
from tilewright.script import from_source
from tilewright.script import tir as T

from .tables import absent, rows

TYPE = re.compile(r"(float|int|uint|bfloat)\d+\w*|boolean")
NAMES = [n for n in rows()["script"].names if TYPE.fullmatch(n) and n not in absent()["script"]]


@pytest.mark.parametrize("name", NAMES)
def test_parameters_of_the_type(name: str) -> None:
    text = f"@T.prim_func\ndef main(x: T.{name}):\n    T.evaluate(x)\n"
    func = from_source(text)
    dtype = "bool" if name == "boolean" else name
    assert func.params[0].dtype == dtype
    assert_structural_equal(from_source(func.script()), func)
    made = getattr(T, name)()
    assert isinstance(made, tir.Var) and made.dtype == dtype


def test_all_types_are_there() -> None:
    assert len(NAMES) == 148
