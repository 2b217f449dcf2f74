"""Functions with some of their parameters fixed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..ir.expr import OPERATORS, PrimExpr, as_scalar
from ..ir.functor import Rewriter, on
from ..ir.node import Node
from ..support.errors import ArgumentError, ArgumentTypeError
from . import op as O
from .arith import Analyzer
from .buffer import Buffer
from .expr import Var
from .function import PrimFunc
from .stmt import DeclBuffer, LetStmt, MatchBufferRegion, Stmt


class _Specialize(Rewriter):
    """Replaces variables; shapes and indices that they make constant are folded."""

    def __init__(self, values: dict[Any, Any]) -> None:
        self.values = values
        self.analyzer = Analyzer()
        self.buffers: dict[Buffer, Buffer] = {}

    @on(Var)
    def variable(self, var: Var) -> Any:
        """The value that a variable is fixed to."""
        return self.values.get(var, var)

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """A buffer whose shape becomes known is another buffer, the same one everywhere."""
        if buffer in self.values:
            made: Buffer = self.values[buffer]
            return made
        known = self.buffers.get(buffer)
        if known is None:
            new: Buffer = self.rewrite_children(buffer)
            if new is not buffer:
                new = new.replace(
                    shape=tuple(self.analyzer.simplify(d) for d in new.shape),
                    strides=tuple(self.analyzer.simplify(s) for s in new.strides),
                    elem_offset=self.analyzer.simplify(new.elem_offset),
                )
            known = self.buffers[buffer] = new
        return known

    @on(PrimExpr)
    def expression(self, expr: PrimExpr) -> PrimExpr:
        """Operators fold what became constant."""
        new: PrimExpr = self.rewrite_children(expr)
        return new if new is expr else _folded(new)

    @on(MatchBufferRegion)
    def declaration(self, node: Node) -> Node:
        """Views follow their sources."""
        return self.rewrite_children(node)

    @on(DeclBuffer)
    def view(self, node: DeclBuffer) -> Stmt:
        """An address that becomes an expression is bound where memory is seen through it."""
        data = node.buffer.data
        value = self.values.get(data)
        if value is None or isinstance(value, Var):
            made: Stmt = self.rewrite_children(node)
            return made
        del self.values[data]
        body = self.rewrite_children(node)
        self.values[data] = value
        return LetStmt(data, value, body)


def _folded(expr: PrimExpr) -> PrimExpr:
    from .arith.rules import MAKERS, OPERANDS

    maker = MAKERS.get(type(expr))
    return expr if maker is None else maker(*(getattr(expr, n) for n in OPERANDS[type(expr)]))


def specialize(func: PrimFunc, param_map: Mapping[Var, PrimExpr | Buffer | int]) -> PrimFunc:
    """`func` with parameters fixed: a scalar to a value, an array's handle to another buffer
    (whose shape and strides replace the variables of its own). Scalars that are fixed, so or by
    the shape of a buffer, are parameters no more.

    Raises `ArgumentError` for what is no parameter or does not fit.
    """
    if not isinstance(param_map, Mapping):
        raise ArgumentTypeError(
            f"`specialize` takes a value by parameter, found {param_map!r}",
            hint="write func.specialize({n: 8})",
        )
    if not param_map:
        return func
    values: dict[Any, Any] = {}
    for param, value in param_map.items():
        if isinstance(value, Buffer):
            _match_buffer(func, param, value, values)
        elif param in set(func.params) or _is_shape_variable(func, param):
            values[param] = as_scalar(value, param.dtype)
        else:
            raise ArgumentError(f"`{param.name}` is no parameter of the function")
    rewriter = _Specialize(values)
    buffer_map = {p: rewriter.run(b) for p, b in func.buffer_map.items()}
    return func.replace(
        params=tuple(p for p in func.params if p not in values),
        body=rewriter.run(func.body),
        buffer_map=buffer_map,
    )


def _is_shape_variable(func: PrimFunc, var: Var) -> bool:
    return any(
        var is part for b in func.buffers() for part in (*b.shape, *b.strides, b.elem_offset)
    )


def _match_buffer(func: PrimFunc, param: Var, given: Buffer, values: dict[Any, Any]) -> None:
    own = func.buffer_map.get(param)
    if own is None:
        raise ArgumentError(f"`{param.name}` is no array parameter of the function")
    if own.dtype != given.dtype or own.ndim != given.ndim:
        raise ArgumentError(
            f"`{own.name}` of {own.dtype} with {own.ndim} dimensions cannot become a buffer of "
            f"{given.dtype} with {given.ndim}"
        )
    pairs = [*zip(own.shape, given.shape, strict=True), (own.elem_offset, given.elem_offset)]
    if own.strides and given.strides:
        pairs += zip(own.strides, given.strides, strict=True)
    analyzer = Analyzer()
    for mine, new in pairs:
        if isinstance(mine, Var):
            if mine in values and not analyzer.can_prove_equal(values[mine], new):
                raise ArgumentError(f"`{mine.name}` would be {values[mine]} and {new}")
            values[mine] = O.cast(new, mine.dtype)
        elif not analyzer.can_prove_equal(mine, new):
            raise ArgumentError(f"a dimension of `{own.name}` is {mine}, not {new}")
    values[own] = given
    values[own.data] = given.data


OPERATORS["specialize"] = specialize
