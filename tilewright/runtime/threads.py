"""How many threads compiled kernels use, in the one pool that all modules of a process share."""

from __future__ import annotations

from tilewright.ffi import get_global_func
from tilewright.support.errors import ArgumentError
from tilewright.support.knobs import NUM_THREADS, set_environment


def set_num_threads(count: int = 0) -> None:
    """Kernels use at most `count` threads from now on; 0 restores the default, one a core.

    Before any compiled code is loaded there is no pool: the setting then waits in the environment.
    """
    if type(count) is not int or count < 0:
        raise ArgumentError(f"the number of threads must be 0 or more, found {count!r}")
    function = get_global_func("tilewright.set_num_threads", allow_missing=True)
    if function is not None:
        function(count or NUM_THREADS.get())
    else:
        set_environment(NUM_THREADS.variable, str(count))


def num_threads() -> int:
    """How many threads kernels may use; 0 where no compiled code has been loaded to tell."""
    function = get_global_func("tilewright.num_threads", allow_missing=True)
    return NUM_THREADS.get() if function is None else int(function())
