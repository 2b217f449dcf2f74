"""What tests send through the boundary to functions, and to processes of their own."""

from __future__ import annotations

import pytest

from tilewright import testing
from tilewright.contrib.popen_pool import PopenWorker
from tilewright.ffi import get_global_func
from tilewright.support.errors import InternalError


def test_functions_are_registered() -> None:
    assert get_global_func("testing.echo")([1, "a"]) == [1, "a"]
    assert testing.nop(1, "a") is None and get_global_func("testing.nop")(1) is None
    assert get_global_func("testing.identity_py")(7) == testing.call_cpp_py_ffi(7) == 7


def test_references_are_counted() -> None:
    value = object()
    before = testing.object_use_count(value)
    held = [value, value]
    assert testing.object_use_count(value) == before + len(held)
    del held
    assert testing.object_use_count(value) == before


def test_callbacks_raise_their_own_errors() -> None:
    with pytest.raises(RuntimeError, match=r"^not today"):
        testing.test_raise_error_callback("not today")()
    check = testing.test_check_eq_callback("as told")
    assert check(2, 2) is None
    with pytest.raises(ValueError, match=r"^2 == 3 does not hold: as told"):
        check(2, 3)
    with pytest.raises(InternalError, match="cannot reach here"):
        testing.ErrorTest(1, 1)


@pytest.mark.parametrize("n", [0, 1, 2, 10, 101])
def test_sums_by_formula_and_one_by_one(n: int) -> None:
    expected = sum(k for k in range(200) if k <= n)
    assert testing.fast_summation(n) == testing.slow_summation(n) == expected


def test_a_value_after_a_while() -> None:
    assert testing.utils.identity_after([1], 0.0) == [1]


def called(worker: PopenWorker, function: object, *args: object, timeout: float = 60) -> object:
    worker.send(function, args, timeout=timeout)  # type: ignore[arg-type]
    return worker.recv()


def test_workers() -> None:
    worker = PopenWorker(testing.initializer, (1, "b", None))
    assert called(worker, testing.after_initializer) == (1, "b", None)
    with pytest.raises(ValueError, match=r"nested_identity_py"):
        called(worker, testing.call_py_ffi, 5)
    called(worker, testing.register_ffi)
    for call in (testing.call_py_ffi, testing.call_cpp_ffi, testing.call_cpp_py_ffi):
        assert called(worker, call, "text") == "text"
    assert called(worker, testing.slow_summation, 4) == 10
    with pytest.raises(ChildProcessError, match="the worker process ended during the call"):
        called(worker, testing.utils.terminate_self)
    assert called(worker, testing.after_initializer) == (1, "b", None)
    with pytest.raises(TimeoutError, match=r"the call took more than 0\.1 seconds"):
        called(worker, testing.timeout_job, 0.1, timeout=0.1)
    assert not worker.is_alive()
