"""The namespace `I` of the builder: `from tilewright.script.ir_builder import ir as I`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..script.ir_builder.base import IRBuilder
from ..script.parser.arguments import checked
from ..support.errors import ArgumentError
from .expr import OPERATORS, BaseFunc, GlobalVar
from .global_info import GlobalInfo, visible_global_infos
from .global_info import lookup_vdevice as _lookup_vdevice
from .module import IRModule
from .script_forms import Range as _Range
from .script_forms import dummy_global_info as _dummy_global_info
from .script_forms import vdevice as _vdevice

Range = checked("I.Range")(_Range)
vdevice = checked("I.vdevice")(_vdevice)
dummy_global_info = checked("I.dummy_global_info")(_dummy_global_info)
lookup_vdevice = checked("I.lookup_vdevice")(_lookup_vdevice)


class IRModuleFrame:
    """`with I.ir_module():`, in which functions are built."""

    def __init__(self) -> None:
        self.module = IRModule()
        self._seen = visible_global_infos(self.module.global_infos)

    def __enter__(self) -> IRModuleFrame:
        facts = IRBuilder.current().facts
        if "module" in facts:
            raise ArgumentError("a module stands within a module")
        facts["module"] = self.module
        self._seen.__enter__()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._seen.__exit__(kind, error, trace)
        builder = IRBuilder.current()
        builder.facts.pop("module")
        if kind is None:
            missing = [var.name_hint for var, func in self.module.items() if func is None]
            if missing:
                raise ArgumentError(f"function `{missing[0]}` is declared, but not defined")
            builder.done(self.module)


@checked("I.ir_module")
def ir_module() -> IRModuleFrame:
    """A module, whose functions are built inside of the `with`."""
    return IRModuleFrame()


def _module() -> IRModule:
    found = IRBuilder.current().facts.get("module")
    if not isinstance(found, IRModule):
        raise ArgumentError("there is no module", hint="write `with I.ir_module():`")
    return found


@checked("I.decl_function")
def decl_function(func_name: str, func_signature: BaseFunc) -> GlobalVar:
    """The name of a function, which `def_function` defines later; the signature is as told."""
    module = _module()
    if func_name in module:
        raise ArgumentError(f"the module has a function `{func_name}` already")
    return define(module, func_name, func_signature)


@checked("I.def_function")
def def_function(func_name: str, func: BaseFunc) -> None:
    """Defines a function, or one that is declared."""
    define(_module(), func_name, func)


def define(module: IRModule, name: str, func: BaseFunc) -> GlobalVar:
    """Sets a function of the module and gives its name, with the struct info of the function."""
    var = module.get_global_var(name) if name in module else GlobalVar(name)
    module.functions[var] = func
    if "struct_info" in OPERATORS:
        var._struct_info = func.struct_info
    return var


def finish_function(builder: IRBuilder, name: str, func: BaseFunc) -> None:
    """Adds a function to the module being built, or makes it the builder's result."""
    module = builder.facts.get("module")
    if module is None:
        builder.done(func)
    elif not name:
        raise ArgumentError("a function of a module needs a name", hint="call func_name")
    else:
        define(module, name, func)


@checked("I.module_attrs")
def module_attrs(attrs: dict[str, Any], allow_overwrite: bool = False) -> None:
    """Sets attributes of the module; those that are there only with `allow_overwrite`."""
    for key, value in attrs.items():
        module_set_attr(key, value, allow_overwrite)


@checked("I.module_get_attrs")
def module_get_attrs() -> dict[str, Any]:
    """The attributes of the module so far."""
    return dict(_module().attrs)


@checked("I.module_get_attr")
def module_get_attr(attr_key: str) -> Any:
    """An attribute of the module, or None."""
    return _module().attrs.get(attr_key)


@checked("I.module_set_attr")
def module_set_attr(attr_key: str, attr_value: Any, allow_overwrite: bool = False) -> None:
    """Sets an attribute of the module."""
    attrs = _module().attrs
    if attr_key in attrs and not allow_overwrite:
        raise ArgumentError(
            f"the module has an attribute {attr_key!r} already", hint="pass allow_overwrite=True"
        )
    attrs[attr_key] = attr_value


@checked("I.module_global_infos")
def module_global_infos(global_infos: dict[str, Sequence[GlobalInfo]]) -> None:
    """Sets global infos of the module, such as virtual devices."""
    _module().global_infos.update({key: tuple(rows) for key, rows in global_infos.items()})
