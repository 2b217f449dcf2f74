"""PrimFunc: a function of loop programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ..ir.expr import OPERATORS, BaseFunc, PrimExpr
from ..ir.node import definition, node
from ..ir.type import Type, void_type
from ..support import public as _public
from ..support.errors import ArgumentError, ArgumentTypeError
from .buffer import Buffer
from .expr import Var
from .stmt import Stmt

SCHEDULE_REASON = "tir.schedule_reason"
"""The attribute of a function that the default schedule has taken, after it was seen that no access
surely leaves its buffer; it says which rule did, and what it decided."""


@node("tir.PrimFunc")
class PrimFunc(BaseFunc):
    """`body` over `params`; `buffer_map` says which handle parameters are arrays of what shape.

    Attributes in use: `global_symbol`, `target`, `tir.noalias`, `op_pattern`, `tir.is_scheduled`,
    `tir.schedule_reason` (see `SCHEDULE_REASON`).
    """

    params: tuple[Var, ...] = definition()
    body: Stmt
    ret_type: Type = None  # type: ignore[assignment]
    buffer_map: dict[Var, Buffer] = definition(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        params = []
        given: Any = self.params
        if not isinstance(given, (tuple, list)):
            raise ArgumentTypeError(f"the parameters of a function are a list, found {given!r}")
        self._check()
        buffers = dict(self.buffer_map or {})
        for param in given:
            made: Any = param.asobject() if hasattr(param, "asobject") else param
            if isinstance(made, Buffer):
                handle = Var(made.name + "_handle", "handle")
                buffers[handle] = made
                made = handle
            if not isinstance(made, Var):
                raise ArgumentTypeError(f"a parameter is a variable or a buffer, found {made!r}")
            params.append(made)
        twice = next((v for k, v in enumerate(params) if any(v is o for o in params[:k])), None)
        if twice is not None:
            raise ArgumentError(f"variable `{twice.name}` is that of two parameters", self.span)
        self.params = tuple(params)  # type: ignore[misc]
        self.buffer_map = buffers  # type: ignore[misc]
        self.attrs = dict(self.attrs or {})  # type: ignore[misc]
        if self.ret_type is None:
            self.ret_type = void_type()

    def _check(self) -> None:
        pairs: Any = self.buffer_map or {}
        if not (
            isinstance(pairs, Mapping)
            and all(isinstance(p, Var) and isinstance(b, Buffer) for p, b in pairs.items())
        ):
            raise ArgumentTypeError(
                f"`buffer_map` of a function has a buffer a parameter, found {pairs!r}", self.span
            )
        for name, kind in (("body", Stmt), ("ret_type", Type), ("attrs", Mapping)):
            value = getattr(self, name)
            if not isinstance(value, kind) and (name == "body" or value is not None):
                raise ArgumentTypeError(
                    f"`{name}` of a function is a {kind.__name__}, found {value!r}", self.span
                )

    @property
    def __name__(self) -> str:
        return str(self.attrs.get("global_symbol", "main"))

    def with_body(self, new_body: Stmt, span: Any = None) -> PrimFunc:
        """The same function with another body."""
        return self.replace(body=new_body, **({} if span is None else {"span": span}))

    def buffers(self) -> list[Buffer]:
        """The arrays among the parameters, in order."""
        return [self.buffer_map[p] for p in self.params if p in self.buffer_map]

    def specialize(self, param_map: dict[Var, PrimExpr | Buffer]) -> PrimFunc:
        """The function with some parameters fixed: scalars to values, arrays to shapes."""
        made: PrimFunc = OPERATORS["specialize"](self, param_map)
        return made

    def global_symbol(self) -> str:
        """Its public name. Raises `ArgumentError` if it has none."""
        name = self.attrs.get("global_symbol")
        if name is None:
            raise ArgumentError("the function has no attribute `global_symbol`")
        return str(name)


if not TYPE_CHECKING:  # index maps and intrinsics stand above this module
    __getattr__, __dir__ = _public.lazy_attributes(__name__)
