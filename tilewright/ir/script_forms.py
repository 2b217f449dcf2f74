"""The names of the dialect `I`: modules and what their functions share."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from ..runtime.ndarray import tensor
from ..script.ir_builder.base import IRBuilder
from ..script.parser import CLASSES, Decorator, Parser, parses
from ..script.parser.arguments import Constructor
from ..target import Target
from .array_text import decode_array
from .base import make_node as make_node
from .expr import OPERATORS, BaseFunc, PrimExpr, as_scalar
from .expr import GlobalVar as FunctionName
from .expr import Range as RangeNode
from .global_info import DummyGlobalInfo, GlobalInfo, VDevice, visible_global_infos
from .global_info import lookup_vdevice as lookup_vdevice
from .module import IRModule
from .op import Op as Op

__all__ = [
    "GlobalVar", "Range", "dummy_global_info", "ir_module", "lookup_vdevice", "make_node",
    "metadata", "module_attrs", "module_global_infos", "module_names", "range_of", "vdevice",
]  # fmt: skip

GlobalVar = Constructor("I.GlobalVar", FunctionName)

DECLARERS: dict[str, Any] = {}
"""`(parser, function syntax, global variable)`, by dialect: what is known before the bodies."""


class _Functions:
    """`cls` inside of a module: its functions by name."""

    def __init__(self, variables: dict[str, FunctionName]) -> None:
        self._variables = variables

    def __getattr__(self, name: str) -> FunctionName:
        found = self._variables.get(name)
        if found is None:
            raise AttributeError(f"the module has no function `{name}`")
        return found

    def __dir__(self) -> list[str]:
        return list(self._variables)


def _module(parser: Parser, node: ast.ClassDef, decorator: Decorator) -> IRModule:
    """The module that a class describes: all names first, then the bodies."""
    from ..script.parser.entry import decorator_of

    made = IRModule()
    functions: list[tuple[ast.FunctionDef, Any]] = []
    for item in node.body:
        if isinstance(item, ast.FunctionDef):
            if any(item.name == other.name for other, _ in functions):
                parser.fail(
                    item, f"the module has two functions `{item.name}`",
                    hint="rename one of them",
                )  # fmt: skip
            functions.append((item, decorator_of(parser, item)))
    kernels = [(f, d) for f, d in functions if isinstance(d, Decorator)]
    variables = {f.name: FunctionName(f.name) for f, _ in kernels}
    for f, _ in kernels:
        made.functions[variables[f.name]] = None  # type: ignore[assignment]
    seen, built = visible_global_infos(made.global_infos), IRBuilder(module=made)
    with parser.using("module"), parser.scope() as names, seen, built:
        parser.facts["module"] = made
        names["cls"] = names[node.name] = _Functions(variables)
        for item in node.body:
            if not isinstance(item, ast.FunctionDef):
                parser.statement(item)
        for f, d in functions:
            if not isinstance(d, Decorator):
                names[f.name] = d.in_script(parser, f)
        order = sorted(kernels, key=lambda pair: pair[1].dialect != "tir")
        for f, d in order:
            if d.dialect in DECLARERS:
                DECLARERS[d.dialect](parser, f, d, variables[f.name])
        for f, d in order:
            _finish(made, variables[f.name], d.parse(parser, f, variables[f.name]))
    if "struct_info" not in OPERATORS:  # what calls had to know is found anew when asked for
        for variable in variables.values():
            variable._struct_info = None
    return made


def _finish(module: IRModule, variable: FunctionName, function: Any) -> None:
    module.functions[variable] = function
    if "struct_info" in OPERATORS:
        variable._struct_info = function.struct_info


CLASSES["ir"] = _module
ir_module = Decorator("ir", CLASSES, "I.ir_module", check_well_formed=True)


@parses("module", ast.Expr)
def _statement(parser: Parser, node: ast.Expr) -> None:
    value = parser.value(node.value)
    if callable(value):
        value(parser.facts["module"])


@parses("module", ast.Assign)
def _constant(parser: Parser, node: ast.Assign) -> None:
    for target in node.targets:
        if not isinstance(target, ast.Name):
            parser.fail(
                target, "only names can be assigned to in a module", hint="write `name = value`"
            )
        value = parser.value(node.value)
        if getattr(value, "name", None) == "":
            IRBuilder.name(target.id, value)
        parser.bind(target.id, value)
        if isinstance(value, BaseFunc):
            _add(parser, target, value)


def _add(parser: Parser, target: ast.Name, function: BaseFunc) -> None:
    """A function of the module that is given by a value, such as one of the runtime."""
    module, variables = parser.facts["module"], parser.lookup("cls")._variables
    if target.id in variables:
        parser.fail(
            target, f"the module has two functions `{target.id}`", hint="rename one of them"
        )
    variables[target.id] = FunctionName(target.id)
    _finish(module, variables[target.id], function)


def module_attrs(attrs: dict[str, Any]) -> Any:
    """Attributes of the module."""
    return lambda module: module.attrs.update(attrs)


def module_global_infos(infos: dict[str, Sequence[GlobalInfo]]) -> Any:
    """Global infos of the module, such as virtual devices."""
    return lambda module: module.global_infos.update({k: tuple(v) for k, v in infos.items()})


def module_names(names: dict[str, str]) -> Any:
    """The names of functions that no word of Python is, by what the text calls them."""

    def rename(module: IRModule) -> None:
        for variable in module.functions:
            variable.name_hint = names.get(variable.name_hint, variable.name_hint)  # type: ignore[misc]

    return rename


def vdevice(
    target: str | dict[str, Any] | Target | None = None,
    vdevice_id: int = 0,
    memory_scope: str = "global",
) -> VDevice:
    """A virtual device."""
    return VDevice(target, vdevice_id, memory_scope)  # type: ignore[arg-type]  # made a Target


def dummy_global_info() -> DummyGlobalInfo:
    """A global info without content."""
    return DummyGlobalInfo()


def Range(begin: PrimExpr | int, end: PrimExpr | int | None = None) -> RangeNode:
    """The integers from `begin` to `end`, or the first `begin`."""
    if end is None:
        return RangeNode(0, begin)  # type: ignore[arg-type]
    low, high = as_scalar(begin), as_scalar(end)
    return RangeNode(low, high - low)


def range_of(begin: PrimExpr | int, extent: PrimExpr | int) -> RangeNode:
    """The range of `extent` integers from `begin`, just as written."""
    return RangeNode(as_scalar(begin), as_scalar(extent))


def metadata(tables: dict[str, list[str]]) -> dict[str, list[Any]]:
    """The arrays and tensors that a text printed with `show_meta=True` refers to."""
    made: dict[str, list[Any]] = {}
    for key, rows in tables.items():
        arrays = [decode_array(text) for text in rows]
        made[key] = [tensor(array) for array in arrays] if key == "runtime.Tensor" else arrays
    return made
