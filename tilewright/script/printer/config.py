"""How script is written: one record of all options."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...support.errors import ArgumentError

if TYPE_CHECKING:
    from ...ffi.access_path import AccessPath


@dataclass(kw_only=True)
class PrinterConfig:
    """The options of `script()`.

    `name` is what the root is called; `show_meta` writes long constants too, so that the text can
    be read back. The prefixes are the names of the dialects, `module_alias` that of the module in
    its own functions. A buffer of `buffer_dtype` and numbers of `int_dtype` and `float_dtype` do
    not tell their type (`void`: all do); the parser reads the defaults back. `verbose_expr`
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
