"""What all nodes share, under TVM's path `tvm.ir.base`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ffi import get_global_func
from ..runtime.ndarray import Tensor, tensor
from ..runtime.source_module import CSourceModule
from ..script.parser.arguments import explained
from ..support.errors import ArgumentError, listing
from ..support.span import Span
from .json import load_array, load_json, register_leaf, save_array, save_json
from .node import NODE_TYPES, Node
from .structural import (
    LEAF_ARRAY,
    LEAF_EQUAL,
    LEAF_HASH,
    array_hash,
    assert_structural_equal,
    get_first_structural_mismatch,
    structural_equal,
    structural_hash,
)


class DictAttrs(dict[str, Any]):
    """Attributes by name, also read as `attrs.name`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            known = listing(sorted(self))
            raise AttributeError(f"no attribute {name!r}; there are {known or 'none'}") from None

    def get_str(self, key: str) -> str:
        """The attribute as text."""
        return str(self[key])

    def get_int(self, key: str) -> int:
        """The attribute as a number."""
        return int(self[key])


class EnvFunc:
    """A global function by its name, for IR that outlives the process that wrote it."""

    def __init__(self, name: str, func: Callable[..., Any]) -> None:
        self.name, self.func = name, func

    @staticmethod
    def get(name: str) -> EnvFunc:
        """The registered function called `name`. Raises `ArgumentError` if there is none."""
        return EnvFunc(name, get_global_func(name))

    def __call__(self, *args: Any) -> Any:
        return self.func(*args)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EnvFunc) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


def _load_tensor(saved: Any) -> Tensor:
    return tensor(load_array(saved))


def _content(module: CSourceModule) -> list[Any]:
    return [module.source, list(module.function_names())]


register_leaf(EnvFunc, "function", lambda func: func.name, EnvFunc.get)
LEAF_HASH[EnvFunc] = lambda func: func.name
register_leaf(Tensor, "tensor", lambda held: save_array(held.numpy()), _load_tensor)
register_leaf(
    CSourceModule,
    "c_source",
    _content,
    lambda saved: CSourceModule(*saved),
)
LEAF_ARRAY[Tensor] = Tensor.numpy
LEAF_EQUAL[CSourceModule] = lambda a, b: _content(a) == _content(b)
LEAF_HASH[CSourceModule] = lambda module: str(_content(module))
LEAF_HASH[Tensor] = lambda held: array_hash(held.numpy())

_OTHERS: dict[str, Callable[..., Any]] = {
    "ir.DictAttrs": DictAttrs,
    "ir.EnvFunc": EnvFunc.get,
    "runtime.CSourceModule": CSourceModule,
}


@explained("ir.make_node")
def make_node(type_key: str, **fields: Any) -> Any:
    """The node of the class with that key, such as `ir.Range`, with these fields.

    Raises `ArgumentError` for a key that no class has and for fields that it does not have.
    """
    made = _class_of(type_key)
    if made is None:
        raise ArgumentError(
            f"no class of nodes has the key {type_key!r}",
            hint="keys are such as 'ir.Range' or 'tir.Add'",
        )
    try:
        return made(**fields)
    except TypeError as error:
        raise ArgumentError(f"cannot make a {type_key}: {error}") from None


def _class_of(key: str) -> Callable[..., Any] | None:
    """The class with that key, else the only one of that name under another prefix."""
    known: dict[str, Callable[..., Any]] = {**NODE_TYPES, **_OTHERS}
    if key in known:
        return known[key]
    name = key.rpartition(".")[2]
    alike = [made for other, made in known.items() if other.rpartition(".")[2] == name]
    return alike[0] if len(alike) == 1 else None


__all__ = [
    "DictAttrs",
    "EnvFunc",
    "Node",
    "Span",
    "assert_structural_equal",
    "get_first_structural_mismatch",
    "load_json",
    "make_node",
    "save_json",
    "structural_equal",
    "structural_hash",
]
