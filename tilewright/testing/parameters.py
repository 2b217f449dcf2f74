"""Tests over several values: parameters, fixtures that are computed once, targets.

What TVM's tests write: `size = tvm.testing.parameter(1, 16)` in a file or class is a fixture that
makes every test that takes `size` run for each value. Parameters made together by `parameters`
vary together, and tests that take `target` and `dev` run on the enabled targets: these two need
the pytest plugin `tilewright.testing.plugin`, which `tilewright.testing.main()` brings along.
"""

from __future__ import annotations

import copy
import functools
import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tilewright.support.errors import ArgumentError, ArgumentTypeError
from tilewright.support.knobs import read_environment

from .features import target_param
from .targets import EXCLUDED, FAILING, GROUP

_groups = itertools.count()


def parameter(
    *values: Any, ids: Sequence[str] | None = None, by_dict: Mapping[str, Any] | None = None
) -> Any:
    """A fixture that takes each of `values` in turn; `by_dict` gives them with their names.

    Its scope is the class, so that fixtures of that scope may take it.
    """
    import pytest

    if by_dict is not None:
        if values or ids:
            raise ArgumentError("a parameter has values or `by_dict`, not both")
        ids, values = list(by_dict), tuple(by_dict.values())

    def as_fixture(request: Any) -> Any:
        return request.param

    return pytest.fixture(scope="class", params=values, ids=ids)(staticmethod(as_fixture))


def parameters(*value_sets: Any, ids: Sequence[str] | None = None) -> tuple[Any, ...]:
    """Several fixtures that vary together: `a, b = parameters((1, 2), (3, 4))`."""
    import pytest

    sets = [tuple(values) for values in value_sets]
    if not sets or len({len(values) for values in sets}) != 1:
        raise ArgumentError("parameters need sets of values, all of the same length")
    number = next(_groups)

    def make(position: int) -> Any:
        def as_fixture(*_self: Any, request: Any) -> Any:
            return request.param

        group = (number, [values[position] for values in sets], ids)
        setattr(as_fixture, GROUP, group)
        return pytest.fixture(as_fixture)

    return tuple(make(position) for position in range(len(sets[0])))


def fixture(func: Any = None, *, cache_return_value: bool = False) -> Any:
    """A fixture. With `cache_return_value` it is computed once for each set of arguments, and
    every test gets a copy of its own; TVM_TEST_DISABLE_CACHE=1 does without."""
    import pytest

    def decorate(function: Callable[..., Any]) -> Any:
        return pytest.fixture(_cached(function) if cache_return_value else function)

    return decorate if func is None else decorate(func)


def _cached(function: Callable[..., Any]) -> Callable[..., Any]:
    made: dict[Any, Any] = {}
    names = list(inspect.signature(function).parameters)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if (read_environment("TVM_TEST_DISABLE_CACHE") or "0") not in ("", "0"):
            return function(*args, **kwargs)
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        key = tuple((n, _key(v)) for n, v in sorted(given.items()) if n != "self")
        if key not in made:
            made[key] = function(*args, **kwargs)
        try:
            return copy.deepcopy(made[key])
        except TypeError as error:
            raise ArgumentTypeError(
                f"what the fixture `{function.__name__}` returns cannot be copied: {error}",
                hint="return plain data, or do not cache it",
            ) from None

    return wrapper


def _key(value: Any) -> Any:
    """Something hashable for an argument."""
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value


# ---- targets -----------------------------------------------------------------------------------


def parametrize_targets(*args: Any) -> Any:
    """A test runs on these targets only: `@parametrize_targets("llvm", "c")`. Those that cannot run
    here are skipped. Without arguments: on the enabled ones, as any test that takes `target`."""
    import pytest

    if len(args) == 1 and callable(args[0]):
        return args[0]
    if not args:
        return lambda test: test
    names = [name for arg in args for name in (arg if isinstance(arg, (list, tuple)) else [arg])]
    return pytest.mark.parametrize("target", [target_param(n) for n in names])


def exclude_targets(*args: str) -> Any:
    """A test that takes `target` does not run on these kinds of targets."""
    import pytest

    return getattr(pytest.mark, EXCLUDED)(*args)


def known_failing_targets(*args: str) -> Any:
    """A test that takes `target` is expected to fail on these kinds of targets."""
    import pytest

    return getattr(pytest.mark, FAILING)(*args)


def skip_parameterizations(*names: str, reason: str) -> Any:
    """A test is skipped for these of its parameters, as they stand in brackets in its name:
    `@skip_parameterizations("8-float16", reason="...")`. It takes `request` first."""
    import pytest

    return _for_parameters(names, lambda why: pytest.skip(why), reason)


def xfail_parameterizations(*names: str, reason: str) -> Any:
    """A test is expected to fail for these of its parameters, as `skip_parameterizations`."""
    import pytest

    return _for_parameters(names, lambda why: pytest.xfail(why), reason)


def _for_parameters(names: Sequence[str], act: Callable[[str], Any], reason: str) -> Any:
    def mark(test: Callable[..., Any]) -> Any:
        @functools.wraps(test)
        def run(request: Any, *args: Any, **named: Any) -> Any:
            _, _, inside = request.node.name.partition("[")
            if inside and inside[:-1] in names:
                act(f"{request.node.name}: {reason}")
            return test(request, *args, **named)

        return run

    return mark


def slow(test: Callable[..., Any]) -> Any:
    """A test that is skipped where the environment says `SKIP_SLOW_TESTS=1`."""

    @functools.wraps(test)
    def run(*args: Any, **named: Any) -> Any:
        import pytest

        if (read_environment("SKIP_SLOW_TESTS") or "").lower() in ("1", "true", "yes"):
            pytest.skip("slow tests are skipped by SKIP_SLOW_TESTS")
        return test(*args, **named)

    return run


def main() -> None:
    """Runs the tests of the calling file: `if __name__ == "__main__": tvm.testing.main()`.

    Arguments on the command line are pytest's.
    """
    import sys

    import pytest

    from . import plugin

    frame = inspect.currentframe()
    caller = frame.f_back if frame is not None else None
    if caller is None:
        raise ArgumentError("main() is called from a file of tests")
    file = inspect.getsourcefile(caller) or caller.f_code.co_filename
    sys.exit(pytest.main([file, *sys.argv[1:]], plugins=[plugin]))
