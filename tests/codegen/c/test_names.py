"""Functions and buffers called like each other, or like something of C, compile and run."""

from __future__ import annotations

import numpy as np
import pytest

from tilewright.script import from_source
from tilewright.tir import pipeline

from .native import Compiled, needs_compiler

TEXT = """
@T.prim_func
def {name}({a}: T.Buffer((4,), "float32"), {b}: T.Buffer((4,), "float32")):
    for i in range(4):
        {b}[i] = T.exp({a}[i]) + T.float32(1)
"""


@needs_compiler
@pytest.mark.parametrize(
    ("name", "a", "b"),
    [
        ("A", "A", "B"), ("B", "A", "B"), ("i", "A", "B"), ("int", "register", "double"),
        ("expf", "exp", "free"), ("printf", "A", "B"), ("int32_t", "int8_t", "errno"),
        ("write", "stdout", "NULL"), ("f", "f", "tw_f"),
    ],
)  # fmt: skip
def test_a_name_of_c_or_of_another_thing(name: str, a: str, b: str) -> None:
    func = from_source(TEXT.format(name=name, a=a, b=b))
    lowered = pipeline.lower(func, packed=False)[name]
    x, y = np.linspace(0, 1, 4, dtype="float32"), np.zeros(4, "float32")
    Compiled({name: lowered}).call(name, x, y)
    np.testing.assert_allclose(y, np.exp(x) + 1, rtol=1e-6)
