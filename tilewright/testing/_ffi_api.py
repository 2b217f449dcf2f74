"""Functions that tests send through the boundary to compiled code and back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from tilewright.ffi import Function, convert, register_func


def echo(value: Any) -> Any:
    """`value`, given back."""
    return value


def nop(*args: Any) -> None:
    """Does nothing."""
    del args


def object_use_count(value: Any) -> int:
    """How many hold the object: its references in Python, the caller's included."""
    return sys.getrefcount(value) - 2


def test_wrap_callback(callback: Callable[[], Any]) -> Function:
    """A function that calls `callback`."""
    made: Function = convert(lambda: callback())
    return made


def test_raise_error(kind: str = "ValueError", message: str = "") -> None:
    """Raises the built-in error called `kind`."""
    import builtins

    raise getattr(builtins, kind, RuntimeError)(message)


def test_raise_error_callback(message: str) -> Function:
    """A function that raises a `RuntimeError` with that message."""

    def fail() -> None:
        raise RuntimeError(message)

    made: Function = convert(fail)
    return made


def test_check_eq_callback(message: str) -> Function:
    """A function of two numbers that raises `ValueError` with that message unless they are
    equal."""

    def check(a: int, b: int) -> None:
        if a != b:
            raise ValueError(f"{a} == {b} does not hold: {message}")

    made: Function = convert(check)
    return made


def ErrorTest(x: int, y: int) -> int:
    """0 for two equal numbers but 1 and 1; raises `ValueError` for different ones."""
    if x != y:
        raise ValueError("expect x and y to be equal")
    if x == 1:
        from tilewright.support.errors import InternalError

        raise InternalError("cannot reach here")
    return 0


def identity_cpp(value: Any) -> Any:
    """`value`, given back by the registered function `testing.identity_py`."""
    from tilewright.ffi import get_global_func

    return get_global_func("testing.identity_py")(value)


_FUNCTIONS: tuple[Any, ...] = (
    echo, nop, test_wrap_callback, test_raise_error, test_raise_error_callback,
    test_check_eq_callback, ErrorTest, identity_cpp,
)  # fmt: skip
for _function in _FUNCTIONS:
    _function.__test__ = False  # no test, whatever its name says
    register_func(f"testing.{_function.__name__}", _function, override=True)
