"""Named functions: registered, found, listed, removed; values that cross the boundary."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import tilewright.ffi as ffi
from tilewright.support.errors import ArgumentError


@pytest.fixture
def name() -> Iterator[str]:
    name = "test.ffi.registry.f"
    yield name
    if ffi.get_global_func(name, allow_missing=True) is not None:
        ffi.remove_global_func(name)


def test_decorator_registers(name: str) -> None:
    @ffi.register_func(name)
    def add(x: int, y: int) -> int:
        return x + y

    assert ffi.get_global_func(name)(2, 3) == 5
    assert add(2, 3) == 5
    assert name in ffi.list_global_func_names()


def test_direct_registration_and_removal(name: str) -> None:
    ffi.register_func(name, lambda x: x * 2)
    assert ffi.get_global_func(name)("ab") == "abab"
    ffi.remove_global_func(name)
    assert ffi.get_global_func(name, allow_missing=True) is None


def test_the_functions_own_name_is_the_default() -> None:
    @ffi.register_func
    def test_ffi_own_name() -> str:
        return "here"

    assert ffi.get_global_func("test_ffi_own_name")() == "here"
    ffi.remove_global_func("test_ffi_own_name")


def test_a_taken_name_needs_override(name: str) -> None:
    ffi.register_func(name, lambda: 1)
    with pytest.raises(ArgumentError, match="already registered"):
        ffi.register_func(name, lambda: 2)
    assert ffi.get_global_func(name)() == 1
    ffi.register_func(name, lambda: 2, override=True)
    assert ffi.get_global_func(name)() == 2


def test_a_missing_function_names_its_neighbours(name: str) -> None:
    ffi.register_func(name, lambda: 1)
    with pytest.raises(ArgumentError, match=r"(?s)cannot find.*did you mean test.ffi.registry.f"):
        ffi.get_global_func("test.ffi.registry.g")
    with pytest.raises(ArgumentError, match="cannot find"):
        ffi.remove_global_func("test.ffi.no.such.function")


def test_what_is_no_function_is_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match="expects a callable, found int"):
        ffi.register_func(name, 3)


@pytest.mark.parametrize(
    "value", [None, True, -7, 2.5, "text", b"raw", ffi.Shape((1, 2)), ffi.dtype("float32")]
)
def test_values_come_back_as_they_went(value: object) -> None:
    echo = ffi.convert(lambda x: x)
    back = echo(value)
    assert back == value
    assert type(back) is type(value) or isinstance(back, type(value))


def test_containers_come_back_as_ffi_containers() -> None:
    echo = ffi.convert(lambda x: x)
    array = echo([1, (2, 3), {"k": "v"}])
    assert isinstance(array, ffi.Array)
    assert list(array[1]) == [2, 3]
    assert isinstance(array[2], ffi.Map) and array[2]["k"] == "v"


def test_any_python_object_can_pass() -> None:
    class Thing:
        pass

    thing = Thing()
    assert ffi.convert(lambda x: x)(thing) is thing


def test_functions_are_arguments_and_results() -> None:
    compose = ffi.convert(lambda f, g: lambda x: f(g(x)))
    composed = compose(lambda x: x + 1, lambda x: x * 10)
    assert isinstance(composed, ffi.Function)
    assert composed(4) == 41


def test_arrays_arrive_as_tensors_that_share_memory() -> None:
    array = np.zeros(3, "float32")

    def fill(x: ffi.Tensor) -> None:
        np.from_dlpack(x)[:] = 5

    ffi.convert(fill)(array)
    assert array.tolist() == [5, 5, 5]


def test_submodules_are_where_tvm_has_them() -> None:
    from tilewright.ffi.access_path import AccessPath
    from tilewright.ffi.container import Map
    from tilewright.ffi.registry import remove_global_func

    assert AccessPath.root() == AccessPath.root()
    assert Map is ffi.Map
    assert remove_global_func is ffi.remove_global_func
    assert ffi.Device.kDLCUDA == 2 and ffi.device("cpu").device_type == ffi.Device.kDLCPU


class Thing:
    """Known to Python alone."""


def test_what_the_abi_has_no_form_of_stays_itself() -> None:
    thing = Thing()
    assert ffi.convert(thing) is thing
    assert ffi.convert({thing: 1})[thing] == 1
    assert isinstance(ffi.convert({"a": thing}), ffi.Map)
    assert ffi.convert([thing])[0] is thing
