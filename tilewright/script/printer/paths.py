"""Finds the part of a node that an access path names.

The nodes along the path are copied, so that each is an object of its own: a program may share
nodes, and the path means one place. Variables keep their identity; the node above them says which
place.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any


def along(root: Any, path: Any, own: dict[int, Any]) -> tuple[Any, list[Any]]:
    """`root` with the nodes along `path` copied, and all that lies on the path, root first.

    A path that leads nowhere stops at its last part that is there. `own` keeps the copies, which
    other paths share.
    """
    met: list[Any] = []
    return _copied(root, [step.key for step in path.to_steps()], met, own), met[::-1]


def _copied(value: Any, keys: Sequence[Any], met: list[Any], own: dict[int, Any]) -> Any:
    made = _own_copy(value, own)
    if keys:
        key, rest = keys[0], keys[1:]
        if isinstance(value, dict):
            found = _own_key(value, key)
            if found is not None:
                made = {**value, found: _copied(value[found], rest, met, own)}
        elif isinstance(value, (tuple, list)):
            if isinstance(key, int) and -len(value) <= key < len(value):
                items = list(value)
                items[key] = _copied(items[key], rest, met, own)
                made = type(value)(items)
        elif _is_node(value) and hasattr(value, str(key)):
            inner = _copied(getattr(value, key), rest, met, own)
            if made is not value or id(value) in own:
                setattr(made, key, inner)
    met.append(made)
    return made


def _own_copy(value: Any, own: dict[int, Any]) -> Any:
    """A copy of a node that is not one already; variables and plain values as they are."""
    if not _is_node(value) or _is_variable(value) or id(value) in own:
        return value
    made = copy.copy(value)
    own[id(made)] = made
    return made


def _is_node(value: Any) -> bool:
    return hasattr(type(value), "type_key")


def _is_variable(value: Any) -> bool:
    return bool(getattr(type(value), "is_variable", False))


def _own_key(table: dict[Any, Any], key: Any) -> Any:
    """The key of `table` that `key` is, or names."""
    if key in table:
        return key
    name = _name(key)
    return next((k for k in table if name is not None and _name(k) == name), None)


def _name(key: Any) -> Any:
    return key if isinstance(key, str) else getattr(key, "name_hint", getattr(key, "name", None))
