"""Small programs for tests."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tilewright import relax
from tilewright.ir import IRModule


def tensor_var(name: str, shape: Sequence[Any], dtype: str = "float32") -> relax.Var:
    return relax.Var(name, relax.TensorStructInfo(tuple(shape), dtype))


def module(params: list[relax.Var], write: Callable[[relax.BlockBuilder], Any]) -> IRModule:
    """The module of a function `main` that returns what `write` returns, in a dataflow block."""
    bb = relax.BlockBuilder()
    with bb.function("main", params):
        with bb.dataflow():
            out = bb.emit_output(write(bb))
        bb.emit_func_output(out)
    return bb.get()


def random(*shape: int, seed: int = 0) -> "np.ndarray[Any, Any]":
    return np.random.default_rng(seed).random(shape).astype("float32") - np.float32(0.5)


def names(mod: IRModule) -> list[str]:
    """What `main` calls, in order."""
    return [
        relax.expr.name_of(
            b.value.args[0] if relax.expr.name_of(b.value.op) == "relax.call_tir" else b.value.op
        )
        for b in mod["main"].body.bindings()
        if isinstance(b.value, relax.Call)
    ]
