"""The table of named functions, shared by all libraries that speak the tvm-ffi ABI."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, Literal, overload

from tilewright.support.errors import ArgumentError, listing

from ._load import core, tvm_ffi

Function = core.Function


@overload
def register_func(
    func_name: str, f: None = None, override: bool = False
) -> Callable[[Callable[..., Any]], Any]: ...
@overload
def register_func(
    func_name: str | Callable[..., Any], f: Callable[..., Any] | None = None, override: bool = False
) -> Any: ...
def register_func(
    func_name: str | Callable[..., Any],
    f: Callable[..., Any] | None = None,
    override: bool = False,
) -> Any:
    """The function registered under `func_name`, or a decorator that registers one.

    `@register_func("my.add")`, `@register_func` (the function's own name) and
    `register_func("my.add", add)` are the three forms. Registering a taken name raises
    `ArgumentError` unless `override` is true.
    """
    if callable(func_name):
        return _register(_plain_name(func_name), func_name, override)
    name = func_name
    if f is not None:
        return _register(name, f, override)
    return lambda function: _register(name, function, override)


register_global_func = register_func


def _plain_name(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", None)
    if not isinstance(name, str):
        raise ArgumentError(
            f"cannot derive a global name from {function!r}",
            hint='give one, as in register_func("my.name", function)',
        )
    return name


def _register(name: str, function: Callable[..., Any], override: bool) -> Any:
    if not callable(function):
        raise ArgumentError(
            f"register_func({name!r}) expects a callable, found {type(function).__name__}"
        )
    if not override and core._get_global_func(name, True) is not None:
        raise ArgumentError(
            f"global function {name!r} is already registered", hint="pass override=True to replace"
        )
    return core._register_global_func(name, function, override)


@overload
def get_global_func(name: str, allow_missing: Literal[False] = False) -> Any: ...
@overload
def get_global_func(name: str, allow_missing: bool) -> Any | None: ...
def get_global_func(name: str, allow_missing: bool = False) -> Any | None:
    """The global function called `name`; if there is none, None or `ArgumentError`."""
    function = core._get_global_func(name, True)
    if function is None and not allow_missing:
        near = difflib.get_close_matches(name, list_global_func_names(), n=3)
        raise ArgumentError(
            f"cannot find global function {name!r}",
            hint=f"did you mean {listing(near)}?" if near else "",
        )
    return function


def list_global_func_names() -> list[str]:
    """The names of all global functions."""
    name_at = tvm_ffi.get_global_func("ffi.FunctionListGlobalNamesFunctor")()
    return [str(name_at(i)) for i in range(name_at(-1))]


def remove_global_func(name: str) -> None:
    """Forgets the global function called `name`. Raises `ArgumentError` if there is none."""
    get_global_func(name)
    tvm_ffi.remove_global_func(name)


def init_ffi_api(namespace: str, target_module_name: str | None = None) -> None:
    """Makes every global function `namespace.x` the attribute `x` of the module of that name."""
    tvm_ffi.init_ffi_api(namespace, target_module_name)


_init_api = init_ffi_api
register_object = tvm_ffi.register_object
