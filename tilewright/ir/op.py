"""Operators: names with tables of meaning. A dialect declares an operator once; others add rows."""

from __future__ import annotations

from typing import Any

from ..script.parser.arguments import explained
from ..support.errors import ArgumentError, ArgumentTypeError
from .expr import RelaxExpr
from .node import ignored, node


@node("ir.Op")
class Op(RelaxExpr):
    """A named operator, one object a name; get it with `Op.get`."""

    name: str
    attributes: dict[str, Any] = ignored(default_factory=dict)

    @staticmethod
    def get(name: str) -> Op:
        """The operator called `name`. Raises `ArgumentError` if nobody declared it."""
        if not isinstance(name, str):
            raise ArgumentTypeError(f"Op.get takes the name of an operator, found {name!r}")
        found = _OPS.get(name)
        if found is None:
            raise ArgumentError(f"operator {name!r} is not registered", hint=_near(name))
        return found

    @staticmethod
    def list_op_names() -> list[str]:
        """The names of all operators declared so far, sorted."""
        return sorted(_OPS)

    def get_attr(self, key: str) -> Any:
        """What was declared under `key`, or None."""
        return self.attributes.get(key)

    def has_attr(self, key: str) -> bool:
        """True if something was declared under `key`."""
        return key in self.attributes

    def set_attr(self, key: str, value: Any, plevel: int = 10) -> None:
        """Declares `value` under `key`, unless something of a higher `plevel` stands there."""
        if plevel >= _LEVELS.get((self.name, key), plevel):
            self.attributes[key] = value
            _LEVELS[self.name, key] = plevel

    def reset_attr(self, key: str) -> None:
        """Takes back what was declared under `key`."""
        self.attributes.pop(key, None)
        _LEVELS.pop((self.name, key), None)

    def __repr__(self) -> str:
        return f'Op.get("{self.name}")'

    __str__ = __repr__


_OPS: dict[str, Op] = {}
_LEVELS: dict[tuple[str, str], int] = {}
"""The level of what is declared, by operator and key."""


@explained("ir.register_op")
def register_op(name: str, **attributes: Any) -> Op:
    """Declares the operator `name`, or adds `attributes` to it."""
    op = _OPS.get(name)
    if op is None:
        if not isinstance(name, str):
            raise ArgumentTypeError(f"the name of an operator is a string, found {name!r}")
        op = _OPS[name] = Op(name, {})
    for key, value in attributes.items():
        op.set_attr(key, value)
    return op


def register_op_attr(op_name: str, attr_key: str, value: Any = None, level: int = 10) -> Any:
    """Sets an attribute of an operator, directly or as a decorator of the value; one of a higher
    `level` stays."""

    if not isinstance(attr_key, str):
        raise ArgumentTypeError(f"the name of an attribute is a string, found {attr_key!r}")

    def declare(what: Any) -> Any:
        register_op(op_name).set_attr(attr_key, what, level)
        return what

    return declare if value is None else declare(value)


def _near(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, _OPS, 3)
    return f"did you mean {', '.join(close)}?" if close else ""
