"""The roots of Relax: expressions with operators, struct info, shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ..ir.expr import PrimExpr, RelaxExpr
from ..ir.node import Node, node
from ..ir.structural import structural_equal, structural_hash
from ..support.errors import ArgumentTypeError
from .dims import as_dims

Expr: TypeAlias = RelaxExpr

HOOKS: dict[str, Callable[..., Any]] = {}
"""What this low module needs from those above it: `call`, `item`, `operator`,
`is_base_of`, `infer_distributed`,
`return_info`, `bind_params`, `bind_symbolic_vars`, `placeholder`."""


@node("relax.StructInfo")
class StructInfo(Node):
    """What the compiler knows of a value. `==` compares structure."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StructInfo) and structural_equal(self, other)

    def __hash__(self) -> int:
        return structural_hash(self)

    def is_base_of(self, derived: StructInfo) -> bool:
        """True if every value that `derived` describes is also described by this."""
        return bool(HOOKS["is_base_of"](self, derived))


def _binary(name: str, other: Any, this: Any, swapped: bool = False) -> Any:
    return HOOKS["operator"](name, other, this) if swapped else HOOKS["operator"](name, this, other)


class _WithOperators(RelaxExpr):
    """Python's operators build calls of the Relax operators; numbers take the other's dtype."""

    __slots__ = ()

    def astype(self, dtype: str) -> Any:
        """This tensor converted to `dtype`."""
        return HOOKS["operator"]("astype", self, dtype)

    def __neg__(self) -> Any:
        return HOOKS["operator"]("negative", self)

    def __lt__(self, other: Any) -> Any:
        return _binary("less", other, self)

    def __gt__(self, other: Any) -> Any:
        return _binary("greater", other, self)

    def __ge__(self, other: Any) -> Any:
        return _binary("greater_equal", other, self)

    def __le__(self, other: Any) -> Any:
        return _binary("less_equal", other, self)

    def __add__(self, other: Any) -> Any:
        return _binary("add", other, self)

    def __radd__(self, other: Any) -> Any:
        return _binary("add", other, self, True)

    def __sub__(self, other: Any) -> Any:
        return _binary("subtract", other, self)

    def __rsub__(self, other: Any) -> Any:
        return _binary("subtract", other, self, True)

    def __mul__(self, other: Any) -> Any:
        return _binary("multiply", other, self)

    def __rmul__(self, other: Any) -> Any:
        return _binary("multiply", other, self, True)

    def __truediv__(self, other: Any) -> Any:
        return _binary("divide", other, self)

    def __rtruediv__(self, other: Any) -> Any:
        return _binary("divide", other, self, True)

    def __floordiv__(self, other: Any) -> Any:
        return _binary("floor_divide", other, self)

    def __rfloordiv__(self, other: Any) -> Any:
        return _binary("floor_divide", other, self, True)

    def __mod__(self, other: Any) -> Any:
        return _binary("mod", other, self)

    def __rmod__(self, other: Any) -> Any:
        return _binary("mod", other, self, True)

    def __pow__(self, other: Any) -> Any:
        return _binary("power", other, self)

    def __rpow__(self, other: Any) -> Any:
        return _binary("power", other, self, True)

    def __call__(self, *args: Any, attrs: Any = None) -> Any:
        """A call of this function or closure."""
        return HOOKS["call"](self, args, attrs)

    def __getitem__(self, index: int) -> Any:
        """The item of a tuple. Raises `IndexError` outside of it."""
        return HOOKS["item"](self, index)


def item_of(items: tuple[Any, ...], index: Any, what: str, whole: str) -> Any:
    """The item at an index, or those in a slice. Raises `IndexError` outside of them, and
    `ArgumentTypeError` for what is no index."""
    try:
        return items[index]
    except TypeError:
        raise ArgumentTypeError(
            f"a {what} of a {whole} is chosen by an integer or a slice, found {index!r}"
        ) from None
    except IndexError:
        raise IndexError(f"{what} {index} of a {whole} of {len(items)}") from None


@node("relax.ExprWithOp")
class ExprWithOp(_WithOperators):
    """An expression that takes part in Python's arithmetic."""


@node("relax.ShapeExpr")
class ShapeExpr(ExprWithOp):
    """A shape: a value of its own, made of dimensions."""

    values: tuple[PrimExpr, ...]

    def __post_init__(self) -> None:
        given: Any = self.values
        if isinstance(given, ShapeExpr):
            given = given.values
        self.values = as_dims(given)  # type: ignore[misc]

    def _is_described(self) -> bool:
        return True

    def __getitem__(self, index: int | slice) -> Any:
        """The dimension at an index; the tuple of those in a slice. Raises `IndexError` outside
        of the shape."""
        return item_of(self.values, index, "dimension", "shape")

    def __len__(self) -> int:
        return len(self.values)
