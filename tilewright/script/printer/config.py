"""How script is written: one record of all options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError

if TYPE_CHECKING:
    from ...ffi.access_path import AccessPath


@dataclass(kw_only=True)
class PrinterConfig:
    """The options of `script()`.

    `name` is what the root is called; `show_meta` writes long constants too, so that the text can
    be read back. The prefixes are the names of the dialects, `module_alias` that of the module in
    its own functions (empty: its name there is that of the class). A buffer of `buffer_dtype` and
    numbers of `int_dtype` and `float_dtype` do not tell their type (`void`: all do); the parser
    reads the defaults back. `verbose_expr`
    declares the free variables of an expression or statement above it. Without `syntax_sugar`
    every node is written on its own (no `T.grid`, no `T.axis.remap`, scopes as `with`).
    `show_object_address` lengthens names by the address of what they name. Annotations of
    variables are left out without `show_all_struct_info`. What a path or an object names is
    underlined with `^`, or annotated with a remark; with `num_context_lines` only that many lines
    around what is underlined are shown.
    """

    name: str | None = None
    show_meta: bool = False
    ir_prefix: str = "I"
    tir_prefix: str = "T"
    relax_prefix: str = "R"
    module_alias: str = "cls"
    buffer_dtype: str = "float32"
    int_dtype: str = "int32"
    float_dtype: str = "void"
    verbose_expr: bool = False
    indent_spaces: int = 4
    print_line_numbers: bool = False
    num_context_lines: int | None = None
    syntax_sugar: bool = True
    show_object_address: bool = False
    show_all_struct_info: bool = True
    path_to_underline: list[AccessPath] | None = None
    path_to_annotate: dict[AccessPath, str] | None = None
    obj_to_underline: list[Any] | None = None
    obj_to_annotate: dict[Any, str] | None = field(default=None)

    def __post_init__(self) -> None:
        for name in ("ir_prefix", "tir_prefix", "relax_prefix"):
            given = getattr(self, name)
            if not isinstance(given, str) or not given.isidentifier():
                raise ArgumentError(
                    f"`{name}` is how the text calls a dialect, found {given!r}",
                    hint="give a name of Python, such as T",
                )
        for name in ("buffer_dtype", "int_dtype", "float_dtype"):
            dtype_of(getattr(self, name))
        _require(self, "indent_spaces", "a number of spaces, 1 or more", _is_count)
        _require(
            self, "num_context_lines", "a number of lines, or None",
            lambda given: given is None or (isinstance(given, int) and not isinstance(given, bool)),
        )  # fmt: skip
        _require(self, "path_to_underline", "a list of AccessPath", _are_paths)
        _require(self, "path_to_annotate", "a dict from AccessPath to text", _are_paths)
        _require(self, "obj_to_underline", "a list of nodes", _is_iterable)
        _require(self, "obj_to_annotate", "a dict from nodes to text", _is_iterable)


def _require(config: PrinterConfig, name: str, noun: str, holds: Callable[[Any], bool]) -> None:
    given = getattr(config, name)
    if not holds(given):
        raise ArgumentError(f"`{name}` is {noun}, found {given!r}")


def _is_count(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and given > 0


def _is_iterable(given: Any) -> bool:
    return given is None or isinstance(given, (list, tuple, dict))


def _are_paths(given: Any) -> bool:
    return _is_iterable(given) and all(hasattr(path, "to_steps") for path in given or ())
