"""Errors across the boundary: a class registered here comes back from compiled code as itself.

An error crosses as its kind (a name), its message and its traceback. Unregistered classes come
back as `RuntimeError`.
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


def _family(root: type[BaseException]) -> Iterator[type[BaseException]]:
    yield root
    for child in root.__subclasses__():
        yield from _family(child)


def register_known_errors() -> None:
    """Registers Python's common errors and every class of tilewright's family defined so far."""
    for cls in (*_PYTHON_ERRORS, *_family(TVMError)):
        core.ERROR_NAME_TO_TYPE.setdefault(cls.__name__, cls)
        core.ERROR_TYPE_TO_NAME.setdefault(cls, cls.__name__)


register_known_errors()
