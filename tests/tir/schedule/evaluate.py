"""Running a scheduled program by translating it to Python, with every index and axis checked.

The unscheduled program runs in the interpreter, which defines the meaning; it is 20 times slower.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tilewright.tir import (
    BlockRealize,
    BufferStore,
    Evaluate,
    For,
    IfThenElse,
    IterVarType,
    LetStmt,
    PrimFunc,
    SeqStmt,
    interpreter,
)  # fmt: skip
from tilewright.tir import expr as E

_INFIX = {
    E.Add: "+", E.Sub: "-", E.Mul: "*", E.FloorDiv: "//", E.FloorMod: "%", E.LT: "<", E.LE: "<=",
    E.GT: ">", E.GE: ">=", E.EQ: "==", E.NE: "!=", E.Div: "/", E.And: "and", E.Or: "or",
}  # fmt: skip
_CALLS = {"tir.exp": "np.exp", "tir.sqrt": "np.sqrt", "tir.tanh": "np.tanh"}
UNSET = 77


class Translator:
    """Collects the lines of a Python function."""

    def __init__(self) -> None:
        self.names: dict[Any, str] = {}
        self.lines: list[str] = []

    def name(self, node: Any) -> str:
        return self.names.setdefault(node, f"x{len(self.names)}")

    def write(self, depth: int, text: str) -> None:
        self.lines.append("  " * depth + text)

    def expr(self, x: Any) -> str:
        kind = type(x)
        if kind in _INFIX:
            return f"({self.expr(x.a)} {_INFIX[kind]} {self.expr(x.b)})"
        if isinstance(x, E.Var):
            return self.name(x)
        if kind is E.IntImm:
            return str(bool(x.value)) if x.dtype == "bool" else repr(x.value)
        if kind is E.FloatImm:
            return f"np.{x.dtype}({x.value!r})" if math.isfinite(x.value) else f"float('{x.value}')"
        if kind in (E.Min, E.Max):
            return f"{'min' if kind is E.Min else 'max'}({self.expr(x.a)}, {self.expr(x.b)})"
        if kind is E.Not:
            return f"(not {self.expr(x.a)})"
        if kind is E.Cast:
            return f"np.{x.dtype}({self.expr(x.value)})"
        if kind is E.BufferLoad:
            return self.element(x.buffer, x.indices)
        if kind is E.Select:
            yes, no = self.expr(x.true_value), self.expr(x.false_value)
            return f"({yes} if {self.expr(x.condition)} else {no})"
        args = [self.expr(a) for a in x.args]
        if x.op.name == "tir.if_then_else":
            return f"({args[1]} if {args[0]} else {args[2]})"
        if x.op.name == "tir.likely":
            return args[0]
        return f"{_CALLS[x.op.name]}({', '.join(args)})"

    def element(self, buffer: Any, indices: Any) -> str:
        inside = ", ".join(
            f"at({self.expr(i)}, {self.expr(d)})"
            for i, d in zip(indices, buffer.shape, strict=True)
        )
        return f"{self.name(buffer)}[{inside or '()'}]"

    def statement(self, x: Any, depth: int) -> None:
        if isinstance(x, SeqStmt):
            for part in x.seq:
                self.statement(part, depth)
        elif isinstance(x, For):
            low, extent = self.expr(x.min), self.expr(x.extent)
            self.write(depth, f"for {self.name(x.loop_var)} in range({low}, {low} + {extent}):")
            self.statement(x.body, depth + 1)
        elif isinstance(x, BlockRealize):
            self.block(x, depth)
        elif isinstance(x, BufferStore):
            self.write(depth, f"{self.element(x.buffer, x.indices)} = {self.expr(x.value)}")
        elif isinstance(x, IfThenElse):
            self.write(depth, f"if {self.expr(x.condition)}:")
            self.statement(x.then_case, depth + 1)
            if x.else_case is not None:
                self.write(depth, "else:")
                self.statement(x.else_case, depth + 1)
        elif isinstance(x, LetStmt):
            self.write(depth, f"{self.name(x.var)} = {self.expr(x.value)}")
            self.statement(x.body, depth)
        else:
            assert isinstance(x, Evaluate), type(x)
            self.write(depth, "pass")

    def block(self, realize: BlockRealize, depth: int) -> None:
        block = realize.block
        self.write(depth, f"if {self.expr(realize.predicate)}:")
        depth += 1
        for axis, value in zip(block.iter_vars, realize.iter_values, strict=True):
            low, extent = self.expr(axis.dom.min), self.expr(axis.dom.extent)
            self.write(depth, f"{self.name(axis.var)} = {self.expr(value)}")
            self.write(
                depth, f"assert {low} <= {self.name(axis.var)} < {low} + {extent}, "
                f"'axis {axis.var.name} of {block.name_hint}'"
            )  # fmt: skip
        for b in block.alloc_buffers:
            self.write(depth, f"{self.name(b)} = np.full({self.shape(b)}, {UNSET}, '{b.dtype}')")
        for match in block.match_buffers:
            parts = ", ".join(
                f"{self.expr(r.min)}:{self.expr(r.min)} + {self.expr(r.extent)}"
                for r in match.source.region
            )
            source = self.name(match.source.buffer)
            self.write(
                depth,
                f"{self.name(match.buffer)} = view({source}[{parts}], {self.shape(match.buffer)})",
            )
        if block.init is not None:
            first = " and ".join(
                f"{self.name(a.var)} == {self.expr(a.dom.min)}"
                for a in block.iter_vars
                if a.iter_type is IterVarType.CommReduce
            )
            self.write(depth, f"if {first or 'True'}:")
            self.statement(block.init, depth + 1)
        self.statement(block.body, depth)

    def shape(self, buffer: Any) -> str:
        return "(" + "".join(f"{self.expr(d)}, " for d in buffer.shape) + ")"


def _at(index: int, extent: int) -> int:
    if not 0 <= index < extent:
        raise IndexError(f"{index} is outside of [0, {extent})")
    return index


def _view(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    squeezed = array.reshape(shape)
    assert np.shares_memory(squeezed, array)
    return squeezed


def run(func: PrimFunc, *arrays: np.ndarray) -> None:
    """Runs `func` on arrays, in place."""
    t = Translator()
    args = [t.name(func.buffer_map.get(p, p)) for p in func.params]
    for buffer in func.buffers():
        for k, extent in enumerate(buffer.shape):
            if isinstance(extent, E.Var):
                t.write(1, f"{t.name(extent)} = {t.name(buffer)}.shape[{k}]")
    t.statement(func.body, 1)
    source = f"def kernel({', '.join(args)}):\n" + "\n".join(t.lines)
    scope: dict[str, Any] = {"np": np, "at": _at, "view": _view}
    exec(source, scope)
    scope["kernel"](*arrays)


def assert_same_result(before: PrimFunc, after: PrimFunc, **sizes: int) -> None:
    """Both give the same on small integers, which are exact whatever the order of additions."""
    rng = np.random.default_rng(0)
    inputs = []
    for buffer in before.buffers():
        shape = [sizes[d.name] if isinstance(d, E.Var) else int(d) for d in buffer.shape]
        inputs.append(rng.integers(-4, 5, shape).astype(buffer.dtype))
    left = [a.copy() for a in inputs]
    right = [a.copy() for a in inputs]
    interpreter.run(before, *left)
    run(after, *right)
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)
