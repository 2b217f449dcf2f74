"""What tests let worker processes do; the functions are importable, so that they can be sent."""

from __future__ import annotations

import sys
import time
from typing import Any

from tilewright.ffi import get_global_func, register_func

from ._ffi_api import echo, identity_cpp

_states: list[Any] = [None, None, None]
_after: list[Any] = [None]


def initializer(state1: Any, state2: Any, state3: Any) -> None:
    """Sets what a worker keeps."""
    _states[:] = [state1, state2, state3]


def after_initializer() -> tuple[Any, Any, Any]:
    """What the worker keeps."""
    return _states[0], _states[1], _states[2]


register_func("testing.identity_py", echo, override=True)


def register_ffi() -> None:
    """Registers the global function `testing.nested_identity_py` in the worker."""
    register_func("testing.nested_identity_py", echo, override=True)


def call_py_ffi(arg: Any) -> Any:
    """`arg`, through the function that `register_ffi` registered."""
    return get_global_func("testing.nested_identity_py")(arg)


def call_cpp_ffi(arg: Any) -> Any:
    """`arg`, through a function that was there."""
    return echo(arg)


def call_cpp_py_ffi(arg: Any) -> Any:
    """`arg`, through both."""
    return identity_cpp(arg)


def fast_summation(n: int) -> int:
    """The sum of the numbers up to `n`, by formula."""
    return n * (n + 1) // 2


def slow_summation(n: int) -> int:
    """The sum of the numbers up to `n`, one by one."""
    return sum(range(n + 1))


def timeout_job(n: float) -> None:
    """Takes half as long again as `n` seconds."""
    time.sleep(n * 1.5)


def identity_after(value: Any, sleep: float) -> Any:
    """`value`, after so many seconds."""
    time.sleep(sleep)
    return value


def terminate_self() -> None:
    """Ends the worker."""
    sys.exit(-1)
