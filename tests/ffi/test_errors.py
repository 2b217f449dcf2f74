"""Errors cross the boundary with their class, message and traceback."""

from __future__ import annotations

import traceback

import pytest

import tilewright.ffi as ffi
from tilewright.support import errors


def raiser(error: BaseException) -> ffi.Function:
    def raise_it() -> None:
        raise error

    function: ffi.Function = ffi.convert(raise_it)
    return function


@pytest.mark.parametrize(
    "cls",
    [
        errors.TVMError,
        errors.ArgumentError,
        errors.CompileError,
        errors.ScheduleError,
        errors.OpNotImplemented,
        errors.InternalError,
        errors.RuntimeFailure,
        ValueError,
        NotImplementedError,
        IndexError,
        ZeroDivisionError,
        FileNotFoundError,
    ],
)
def test_an_error_comes_back_as_itself(cls: type[Exception]) -> None:
    with pytest.raises(cls) as info:
        raiser(cls("the message"))()
    assert type(info.value) is cls
    assert "the message" in str(info.value)


def test_note_and_hint_survive() -> None:
    error = errors.ArgumentError("wrong", note="a fact", hint="a way out")
    with pytest.raises(errors.ArgumentError) as info:
        raiser(error)()
    assert str(info.value) == "wrong\n  note: a fact\n  hint: a way out"


def test_the_traceback_names_the_function_that_raised() -> None:
    with pytest.raises(ValueError, match="deep") as info:
        ffi.convert(lambda f: f())(raiser(ValueError("deep")))
    names = [frame.name for frame in traceback.extract_tb(info.value.__traceback__)]
    assert "raise_it" in names


def test_a_class_of_ones_own_can_be_registered() -> None:
    @ffi.register_error
    class StrangeError(RuntimeError):
        pass

    class UnknownError(StrangeError):
        pass

    with pytest.raises(StrangeError):
        raiser(StrangeError("odd"))()
    with pytest.raises(RuntimeError) as info:
        raiser(UnknownError("odd"))()
    assert type(info.value) is RuntimeError


def test_classes_of_our_family_cross_without_being_registered() -> None:
    class LateError(errors.CompileError):
        pass

    class DetailedError(LateError):
        def __init__(self, number: int, detail: str) -> None:
            super().__init__(f"{number}: {detail}")

    class MoreDetailedError(DetailedError):
        pass

    with pytest.raises(LateError, match="8: worse") as info:
        raiser(MoreDetailedError(8, "worse"))()
    assert type(info.value) is LateError
    with pytest.raises(LateError) as info:
        raiser(LateError("late"))()
    assert type(info.value) is LateError
    with pytest.raises(LateError, match="7: broken") as info:
        raiser(DetailedError(7, "broken"))()
    assert type(info.value) is LateError


def test_an_error_is_an_object_of_the_boundary() -> None:
    packed = ffi.convert(errors.ArgumentError("boxed"))
    assert (packed.kind, packed.message) == ("ArgumentError", "boxed")
    assert type(packed.py_error()) is errors.ArgumentError
