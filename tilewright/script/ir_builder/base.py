"""The builder of programs that Python code writes step by step.

```
with IRBuilder() as ib:
    with T.prim_func():
        T.func_name("main")
        A = T.arg("A", T.Buffer((128,), "float32"))
        with T.serial(128) as i:
            T.buffer_store(A, A[i] * 2.0, [i])
func = ib.get()
```

The names of the dialects (`T`, `R`, `I` of `script.ir_builder`) act on the innermost builder.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ...support.errors import ArgumentError

V = TypeVar("V")

NAMERS: dict[type, Callable[[str, Any], None]] = {}
"""How a value gets a name, by its class; filled by the dialects."""
FRAGMENTS: list[Callable[[IRBuilder], Any]] = []
"""What makes the result of a builder without a function: `None` where there is nothing."""

_local = threading.local()


def _stack() -> list[IRBuilder]:
    stack: list[IRBuilder] = _local.__dict__.setdefault("stack", [])
    return stack


class IRBuilder:
    """Holds what is being built; the dialects keep their own parts as `facts`."""

    def __init__(self, **facts: Any) -> None:
        self.facts: dict[str, Any] = facts
        self._result: Any = None

    def __enter__(self) -> IRBuilder:
        _stack().append(self)
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        _stack().remove(self)
        if kind is None and self._result is None:
            made = (finish(self) for finish in FRAGMENTS)
            self._result = next((m for m in made if m is not None), None)

    @staticmethod
    def current() -> IRBuilder:
        """The innermost builder of this thread. Raises `ArgumentError` (a `ValueError`)."""
        stack = _stack()
        if not stack:
            raise ArgumentError("there is no IRBuilder", hint="write `with IRBuilder() as ib:`")
        return stack[-1]

    @staticmethod
    def is_in_scope() -> bool:
        """Whether there is a builder."""
        return bool(_stack())

    def get(self) -> Any:
        """What was built: a module, a function, or a piece of one."""
        if self._result is None:
            raise ArgumentError(
                "the IRBuilder has built nothing", hint="call get() after its `with`"
            )
        return self._result

    def done(self, value: Any) -> None:
        """Sets what was built."""
        if self._result is not None:
            raise ArgumentError(
                "an IRBuilder builds one module or function, this one is the second",
                hint="several functions stand in `with I.ir_module():`",
            )
        self._result = value

    @staticmethod
    def name(s: str, v: V) -> V:
        """Gives a value the name `s` and returns it; the parts of a sequence are numbered."""
        if isinstance(v, (list, tuple)):
            for index, part in enumerate(v):
                IRBuilder.name(f"{s}_{index}", part)
            return v
        namer = next((NAMERS[c] for c in type(v).__mro__ if c in NAMERS), None)
        if namer is None:
            raise ArgumentError(f"{type(v).__name__} values have no name")
        namer(s, v)
        return v

    @staticmethod
    def name_many(s: Sequence[str], vs: Sequence[V]) -> Sequence[V]:
        """Gives each value its name."""
        if len(s) != len(vs):
            raise ArgumentError(f"{len(s)} names for {len(vs)} values")
        return [IRBuilder.name(name, value) for name, value in zip(s, vs, strict=True)]


def name(s: str, v: V) -> V:
    """`IRBuilder.name`."""
    return IRBuilder.name(s, v)


def name_many(s: Sequence[str], vs: Sequence[V]) -> Sequence[V]:
    """`IRBuilder.name_many`."""
    return IRBuilder.name_many(s, vs)
