"""Structural equality and hash, derived from the declarations of nodes.

Two programs are equal if they are the same tree up to the names of the variables that they bind.
A free variable equals itself, or, with `map_free_vars`, the one met at the same place.
"""

from __future__ import annotations

import functools
import hashlib
import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ffi.access_path import MISSING, AccessKind, AccessPath, AccessStep
from ..ffi.container import MAPPINGS, SEQUENCES
from ..support.digest import data_digest
from .functor import deep_recursion
from .node import Node


class _Forms(dict[type, str]):
    """By type, the method that compares or hashes its values; nothing for plain ones."""

    def __missing__(self, kind: type) -> str:
        bases = ((Node, "_nodes"), (SEQUENCES, "_sequences"), (MAPPINGS, "_mappings"))
        self[kind] = next((name for base, name in bases if issubclass(kind, base)), "")
        return self[kind]


FORMS = _Forms()


def structural_equal(lhs: object, rhs: object, map_free_vars: bool = False) -> bool:
    """True if `lhs` and `rhs` are equal up to the names of bound variables."""
    return get_first_structural_mismatch(lhs, rhs, map_free_vars) is None


def get_first_structural_mismatch(
    lhs: object, rhs: object, map_free_vars: bool = False
) -> tuple[AccessPath, AccessPath] | None:
    """Where the two first differ, as an access path in each, such as `<root>.body.seq[1].value`.

    Where one side has nothing (a longer sequence, a key of one dict only) its path says so:
    `array_item_missing`, `map_item_missing`.
    """
    matcher = _Matcher(map_free_vars, _is_program(lhs))
    with deep_recursion():
        if matcher.equal(lhs, rhs, False):
            return None
    left, right = zip(*reversed(matcher.path), strict=True) if matcher.path else ((), ())
    return AccessPath(left), AccessPath(right)


def assert_structural_equal(lhs: object, rhs: object, map_free_vars: bool = False) -> None:
    """Raises `ValueError` that shows where `lhs` and `rhs` differ, if they do."""
    mismatch = get_first_structural_mismatch(lhs, rhs, map_free_vars)
    if mismatch is not None:
        left, right = mismatch
        raise ValueError(
            f"StructuralEqual check failed, caused by lhs at {left}:\n{_marked(lhs, left)}\n"
            f"and rhs at {right}:\n{_marked(rhs, right)}"
        )


def _marked(value: object, path: AccessPath) -> str:
    """The text of a side of a comparison, with the part that differs underlined."""
    if isinstance(value, Node):
        return value.script(path_to_underline=[path], syntax_sugar=False)
    return str(value)


def structural_hash(value: object, map_free_vars: bool = False) -> int:
    """A hash that structurally equal values share, 64 bits, the same in every process
    as long as no free variable is hashed by identity (`map_free_vars=False`)."""
    with deep_recursion():
        return _Hasher(map_free_vars, _is_program(value)).hash(value, False)


def _is_program(root: object) -> bool:
    """Whether `root` is a statement or more. Memory that nothing in it declares is then known by
    what is done with it; two expressions read the same memory only if it is the same variable."""
    return isinstance(root, Node) and not hasattr(root, "dtype")


class _Matcher:
    def __init__(self, map_free_vars: bool, is_program: bool) -> None:
        self.map_free_vars = map_free_vars
        self.is_program = is_program
        self.forward: dict[int, Node] = {}
        self.backward: dict[int, Node] = {}
        self.path: list[tuple[AccessStep, AccessStep]] = []
        """The steps to the first difference in each side, the last one first."""

    def equal(self, a: Any, b: Any, defining: bool) -> bool:
        form = FORMS[type(a)]
        if form is not FORMS[type(b)]:
            return False
        same: bool = getattr(self, form)(a, b, defining) if form else leaf_equal(a, b)
        return same

    def _differ(self, kind: AccessKind, key: Any, other: Any = None) -> bool:
        step = AccessStep(kind, key)
        self.path.append((step, step if other is None else AccessStep(kind, other)))
        return False

    def _lacks(self, kind: AccessKind, key: Any, right: bool) -> bool:
        """The difference that only one side has `key`; `right`: that the right one has it."""
        there, missing = AccessStep(kind, key), AccessStep(AccessKind(kind + MISSING), key)
        self.path.append((missing, there) if right else (there, missing))
        return False

    def _nodes(self, a: Node, b: Node, defining: bool) -> bool:
        if type(a) is not type(b):
            return False
        if type(a).is_variable:
            same = self._views if type(a).by_content else self._variables
            return same(a, b, defining)
        return self._fields(a, b, defining)

    def _variables(self, a: Node, b: Node, defining: bool) -> bool:
        bound = self.forward.get(id(a))
        if bound is not None or id(b) in self.backward:
            return bound is b
        if not (defining or self.map_free_vars):
            return a is b
        self.forward[id(a)] = b
        self.backward[id(b)] = a
        return self._fields(a, b, defining)

    def _views(self, a: Node, b: Node, defining: bool) -> bool:
        if self.forward.get(id(a)) is b:
            return True
        defining = defining or self.is_program
        for info in type(a).compared:
            x, y = getattr(a, info.name), getattr(b, info.name)
            if not self.equal(x, y, defining or not info.is_definition):
                return self._differ(AccessKind.ATTR, info.name)
        self.forward[id(a)] = b
        return True

    def _fields(self, a: Node, b: Node, defining: bool) -> bool:
        for info in type(a).compared:
            x, y = getattr(a, info.name), getattr(b, info.name)
            if not self.equal(x, y, defining or info.is_definition):
                return self._differ(AccessKind.ATTR, info.name)
        return True

    def _sequences(self, a: Any, b: Any, defining: bool) -> bool:
        for index, (x, y) in enumerate(zip(a, b, strict=False)):
            if not self.equal(x, y, defining):
                return self._differ(AccessKind.ARRAY_ITEM, index)
        if len(a) != len(b):
            return self._lacks(AccessKind.ARRAY_ITEM, min(len(a), len(b)), len(a) < len(b))
        return True

    def _mappings(self, a: Any, b: Any, defining: bool) -> bool:
        names = {_label(key): key for key in b if isinstance(key, Node)}
        met = set()
        for key, x in a.items():
            other = key
            if isinstance(key, Node):
                free = type(key).is_variable and not self.map_free_vars
                other = self.forward.get(id(key), key if free else names.get(_label(key)))
            if other is None or other not in b:
                return self._lacks(AccessKind.MAP_ITEM, key, False)
            if not self.equal(x, b[other], defining):
                return self._differ(AccessKind.MAP_ITEM, key, other)
            met.add(other)
        for key in b:
            if key not in met:
                return self._lacks(AccessKind.MAP_ITEM, key, True)
        return True


def _label(key: Any) -> Any:
    hint = getattr(key, "name_hint", None)
    return getattr(key, "name", key) if hint is None else hint


LEAF_ARRAY: dict[type, Callable[[Any], np.ndarray[Any, Any]]] = {np.ndarray: lambda a: a}
"""Plain values that are equal if their contents are, and these as arrays, by type."""

LEAF_EQUAL: dict[type, Callable[[Any, Any], bool]] = {}
"""Equality of other plain values that `==` does not decide, by type."""

LEAF_HASH: dict[type, Callable[[Any], Any]] = {}
"""What to hash of a plain value whose own hash will not do, by type."""


_TRUTH = (bool, np.bool_)


def leaf_equal(a: Any, b: Any) -> bool:
    """Equality of two plain values: same kind, same value, NaN equal to NaN, 0 not to -0."""
    contents = LEAF_ARRAY.get(type(a))
    if contents is not None:
        others = LEAF_ARRAY.get(type(b))
        return others is not None and arrays_equal(contents(a), others(b))
    special = LEAF_EQUAL.get(type(a))
    if special is not None:
        return type(a) is type(b) and special(a, b)
    if isinstance(a, float) and isinstance(b, float):
        if math.isnan(a):
            return math.isnan(b)
        return a == b and math.copysign(1.0, a) == math.copysign(1.0, b)
    if isinstance(a, _TRUTH) is not isinstance(b, _TRUTH):
        return False
    return bool(a == b)


def arrays_equal(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    """True if the arrays have one dtype, one shape and the same bytes."""
    if a is b:
        return True
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return np.array_equal(_as_bytes(a), _as_bytes(b))


def _as_bytes(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def array_hash(array: np.ndarray[Any, Any]) -> tuple[Any, ...]:
    """What to hash of an array: its dtype, its shape and a digest of its bytes."""
    return (str(array.dtype), array.shape, array_digest(array))


def array_digest(array: np.ndarray[Any, Any]) -> bytes:
    """A digest of the array's bytes, which read-only arrays keep."""
    if array.flags.writeable:
        return data_digest(_as_bytes(array).data)
    known = _DIGESTS.get(id(array))
    if known is None or known[0]() is not array:
        key = id(array)
        kept = weakref.ref(array, lambda _: _DIGESTS.pop(key, None))
        known = _DIGESTS[key] = (kept, data_digest(_as_bytes(array).data))
    return known[1]


_DIGESTS: dict[int, tuple[weakref.ref[np.ndarray[Any, Any]], bytes]] = {}
LEAF_HASH[np.ndarray] = array_hash

_MASK = (1 << 64) - 1


def _mix(state: int, value: int) -> int:
    state = (state ^ (value & _MASK)) * 0x9E3779B97F4A7C15 & _MASK
    return state ^ (state >> 29)


def _bytes_hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


@functools.lru_cache(maxsize=1 << 16)
def _text_hash(kind: str, text: str) -> int:
    return _bytes_hash(f"{kind}:{text}".encode())


class _Hasher:
    def __init__(self, map_free_vars: bool, is_program: bool) -> None:
        self.map_free_vars = map_free_vars
        self.is_program = is_program
        self.bound: dict[int, int] = {}
        self.views: dict[int, int] = {}

    def hash(self, value: Any, defining: bool) -> int:
        form = FORMS[type(value)]
        if form:
            made: int = getattr(self, form)(value, defining)
            return made
        special = LEAF_HASH.get(type(value))
        return self._leaf(special(value) if special else value)

    def _sequences(self, value: Any, defining: bool) -> int:
        state = _mix(11, len(value))
        for item in value:
            state = _mix(state, self.hash(item, defining))
        return state

    def _leaf(self, value: Any) -> int:
        if type(value) is str:
            return _text_hash("str", repr(value))
        if isinstance(value, tuple):
            state = 7
            for item in value:
                state = _mix(state, self._leaf(item))
            return state
        if isinstance(value, bytes):
            return _bytes_hash(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return _mix(3, int(value))
        return _text_hash(type(value).__name__, repr(value))

    def _mappings(self, value: Any, defining: bool) -> int:
        total = _mix(13, len(value))
        for key, item in value.items():
            name = self._nodes(key, False) if isinstance(key, Node) else self._leaf(key)
            total = (total + _mix(name, self.hash(item, defining))) & _MASK
        return total

    def _nodes(self, node: Node, defining: bool) -> int:
        kind = type(node)
        state = _text_hash("node", kind.type_key)
        if kind.by_content:
            return self._view(node, defining)
        if kind.is_variable:
            known = self.bound.get(id(node))
            if known is not None:
                return _mix(state, known)
            if not (defining or self.map_free_vars):
                return _mix(state, id(node))
            self.bound[id(node)] = len(self.bound)
        for info in kind.compared:
            value = getattr(node, info.name)
            if value is None:
                state = _mix(state, _NONE)
            else:
                state = _mix(state, self.hash(value, defining or info.is_definition))
        return state

    def _view(self, node: Node, defining: bool) -> int:
        known = self.views.get(id(node))
        if known is None:
            bound = len(self.bound)
            known = self.views[id(node)] = self._content(node, defining)
            if len(self.bound) > bound:  # what it defines is a number from now on
                self.views[id(node)] = self._content(node, defining)
        return known

    def _content(self, node: Node, defining: bool) -> int:
        state = _text_hash("node", type(node).type_key)
        defining = defining or self.is_program
        for info in type(node).compared:
            value = getattr(node, info.name)
            state = _mix(state, self.hash(value, defining or not info.is_definition))
        return state


_NONE = _text_hash("NoneType", "None")
