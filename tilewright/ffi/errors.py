"""Errors across the boundary: a class registered here comes back from compiled code as itself.

An error crosses as its kind (a name), its message and its traceback. Classes derived from
`TVMError` are registered by themselves; other unregistered ones come back as `RuntimeError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar, overload

from tilewright.support.errors import TVMError

from ._load import core, tvm_ffi

E = TypeVar("E", bound=type[BaseException])

_PYTHON_ERRORS: tuple[type[BaseException], ...] = (
    ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, FileExistsError,
    FileNotFoundError, FloatingPointError, ImportError, IndexError, KeyError, LookupError,
    MemoryError, ModuleNotFoundError, NameError, NotImplementedError, OSError, OverflowError,
    PermissionError, RecursionError, RuntimeError, StopIteration, SyntaxError, TimeoutError,
    TypeError, ValueError, ZeroDivisionError,
)  # fmt: skip


@overload
def register_error(name_or_cls: str | None = None, cls: None = None) -> Callable[[E], E]: ...
@overload
def register_error(name_or_cls: E, cls: None = None) -> E: ...
@overload
def register_error(name_or_cls: str, cls: E) -> E: ...
def register_error(name_or_cls: Any = None, cls: Any = None) -> Any:
    """The class registered to cross the boundary as itself, or a decorator that registers one."""
    return tvm_ffi.register_error(name_or_cls, cls)


def _family(root: type[TVMError]) -> Iterator[type[TVMError]]:
    yield root
    for child in root.__subclasses__():
        yield from _family(child)


def _register_own(cls: type[TVMError]) -> None:
    """A class that is made of more than a message crosses as the base that is not."""
    plain = next(c for c in cls.__mro__ if c.__init__ is TVMError.__init__)  # type: ignore[misc]
    core.ERROR_TYPE_TO_NAME.setdefault(cls, plain.__name__)
    if plain is cls:
        core.ERROR_NAME_TO_TYPE.setdefault(cls.__name__, cls)


def _register_known() -> None:
    """Registers Python's common errors and tilewright's family, also what will join it later."""
    for error in _PYTHON_ERRORS:
        core.ERROR_NAME_TO_TYPE.setdefault(error.__name__, error)
        core.ERROR_TYPE_TO_NAME.setdefault(error, error.__name__)
    for cls in _family(TVMError):
        _register_own(cls)
    TVMError._observers.append(_register_own)


_register_known()
