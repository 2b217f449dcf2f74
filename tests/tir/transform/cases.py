"""What tests of passes share: programs from text, and what passes make of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright import tir
from tilewright.ir import IRModule
from tilewright.ir.functor import post_order_visit
from tilewright.ir.structural import assert_structural_equal
from tilewright.ir.transform import PassContext
from tilewright.script import from_source
from tilewright.tir import interpreter


def func_of(text: str) -> tir.PrimFunc:
    """The function in script text, well formed or not: passes meet both."""
    made = from_source(text, check_well_formed=False)
    assert isinstance(made, tir.PrimFunc)
    return made


def applied(passes: Any, text: str, **config: Any) -> tir.PrimFunc:
    """What passes (one or a list) make of a function in script text."""
    mod = IRModule({"main": func_of(text)})
    options = {f"tir.{name}": value for name, value in config.items()}
    with PassContext(config=options):
        for step in passes if isinstance(passes, list) else [passes]:
            mod = step(mod)
    made = mod["main"]
    assert isinstance(made, tir.PrimFunc)
    return made


def check(passes: Any, before: str, after: str, **config: Any) -> None:
    """Passes make `after` of `before`, both functions in script text."""
    assert_structural_equal(applied(passes, before, **config), func_of(after))


def same_result(passes: Any, text: str, *shapes: tuple[int, ...], **config: Any) -> tir.PrimFunc:
    """Passes keep what a function on `float32` arrays computes; returns what they made."""
    made = applied(passes, text, **config)
    random = np.random.default_rng(0)
    arrays = [random.integers(0, 50, shape).astype("float32") for shape in shapes]
    expected = [array.copy() for array in arrays]
    interpreter.run(func_of(text), *expected)
    interpreter.run(made, *arrays)
    for got, wanted in zip(arrays, expected, strict=True):
        np.testing.assert_array_equal(got, wanted)
    return made


def nodes(root: Any, *kinds: type) -> list[Any]:
    """The nodes of some kinds under `root`."""
    found: list[Any] = []
    post_order_visit(root, lambda n: found.append(n) if isinstance(n, kinds) else None)
    return found


def calls(root: Any, name: str) -> list[Any]:
    """The calls of the intrinsic `tir.<name>` under `root`."""
    return [c for c in nodes(root, tir.Call) if getattr(c.op, "name", "") == f"tir.{name}"]
