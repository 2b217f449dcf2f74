"""Types of values: what a variable of the IR may hold."""

from __future__ import annotations

from ..support.dtypes import dtype_of, not_a_dtype
from ..support.errors import ArgumentTypeError
from .node import ItemsAsFields, Node, node
from .structural import structural_equal, structural_hash


@node("ir.Type")
class Type(Node):
    """The base of all types; two are equal if they say the same."""

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Type) and structural_equal(self, other))

    def __hash__(self) -> int:
        return structural_hash(self)


@node("ir.PrimType")
class PrimType(Type):
    """A scalar or short vector of machine data, such as `float32` or `int8x4`."""

    dtype: str

    def __post_init__(self) -> None:
        if not isinstance(self.dtype, str):
            raise not_a_dtype(self.dtype)
        self.dtype = dtype_of(self.dtype).name  # type: ignore[misc]


@node("ir.PointerType")
class PointerType(Type):
    """The address of `element_type` in memory of `storage_scope` (`local`...; empty: `global`)."""

    element_type: Type
    storage_scope: str = "global"

    def __post_init__(self) -> None:
        self.storage_scope = self.storage_scope or "global"  # type: ignore[misc]
        if not isinstance(self.storage_scope, str):
            raise ArgumentTypeError(
                f"a storage scope is a string, found {self.storage_scope!r}", self.span
            )


@node("ir.TupleType")
class TupleType(Type):
    """A fixed number of values; `TupleType(())` is the type of no value."""

    items: tuple[Type, ...] = ()


TupleType.fields = ItemsAsFields(TupleType.fields)  # type: ignore[assignment]


@node("ir.FuncType")
class FuncType(Type):
    """A function from `arg_types` to `ret_type`."""

    arg_types: tuple[Type, ...]
    ret_type: Type


@node("ir.OpaqueType")
class OpaqueType(Type):
    """An object that programs pass on without looking inside, named by `name`."""

    name: str = "Object"


def void_type() -> TupleType:
    """The type of no value."""
    return TupleType(())
