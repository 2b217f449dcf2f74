"""IRModule: named functions of any dialect, the unit that passes transform."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from ..support.errors import ArgumentError, ArgumentTypeError, listing
from .expr import BaseFunc, GlobalVar
from .node import Node, node
from .rename import renamed


@node("ir.IRModule")
class IRModule(Node):
    """Functions by global name, with attributes and global infos (such as virtual devices).

    Unlike other nodes a module may be filled step by step (`mod["f"] = func`); passes still
    return new ones.
    """

    functions: dict[GlobalVar, BaseFunc] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)
    global_infos: dict[str, tuple[Node, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given: dict[Any, BaseFunc] = self.functions or {}
        if not hasattr(given, "values"):
            raise ArgumentTypeError(
                f"a module is made of functions by name, found {type(given).__name__}",
                hint='write IRModule({"main": function})',
            )
        for func in given.values():
            if not isinstance(func, BaseFunc):
                raise ArgumentTypeError(f"a module is made of functions, found {func!r}")
        self.functions = {  # type: ignore[misc]
            key if isinstance(key, GlobalVar) else GlobalVar(key): func
            for key, func in given.items()
        }
        names = self.names()
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ArgumentError(f"two functions of the module are called {twice!r}")
        for what in ("attrs", "global_infos"):
            table: Any = getattr(self, what)
            if table is not None and not isinstance(table, Mapping):
                raise ArgumentTypeError(f"`{what}` of a module is a dict, found {table!r}")
            setattr(self, what, dict(table or {}))

    def get_global_var(self, name: str) -> GlobalVar:
        """The global variable called `name`. Raises `ArgumentError` listing those there are."""
        for var in self.functions:
            if var.name_hint == name:
                return var
        raise ArgumentError(
            f"the module has no function {name!r}", note=f"it has {listing(self.names())}"
        )

    def names(self) -> list[str]:
        """The names of all functions, in order."""
        return [var.name_hint for var in self.functions]

    def get_global_vars(self) -> tuple[GlobalVar, ...]:
        """The global variables of all functions, in order."""
        return tuple(self.functions)

    def __getitem__(self, key: GlobalVar | str) -> Any:
        return self.functions[self._own(key)]

    def _own(self, key: GlobalVar | str) -> GlobalVar:
        if isinstance(key, GlobalVar) and key in self.functions:
            return key
        return self.get_global_var(key if isinstance(key, str) else key.name_hint)

    def __setitem__(self, key: GlobalVar | str, func: BaseFunc) -> None:
        name = key if isinstance(key, str) else key.name_hint
        known = name in self
        var = self._own(key) if known else GlobalVar(key) if isinstance(key, str) else key
        self.functions[var] = func

    def __delitem__(self, key: GlobalVar | str) -> None:
        del self.functions[self._own(key)]

    def __contains__(self, key: object) -> bool:
        name = key.name_hint if isinstance(key, GlobalVar) else key
        return any(var.name_hint == name for var in self.functions)

    def __iter__(self) -> Iterator[GlobalVar]:
        return iter(self.functions)

    def __len__(self) -> int:
        return len(self.functions)

    def functions_items(self) -> list[tuple[GlobalVar, BaseFunc]]:
        """The pairs of name and function, in order."""
        return list(self.functions.items())

    def items(self) -> list[tuple[GlobalVar, BaseFunc]]:
        """The pairs of name and function, in order."""
        return list(self.functions.items())

    def update_func(self, var: GlobalVar, func: BaseFunc) -> None:
        """Sets the function called `var`."""
        self[var] = func

    def update(self, other: IRModule | dict[GlobalVar, BaseFunc]) -> None:
        """Takes over every function of `other`."""
        pairs = other.functions if isinstance(other, IRModule) else other
        for var, func in pairs.items():
            self[var] = func

    def replace_global_vars(
        self, replacements: Mapping[GlobalVar | str, GlobalVar | str]
    ) -> IRModule:
        """A module whose functions have other names, wherever they are mentioned; a public one
        has its new name as `global_symbol` too. The module itself if nothing is replaced.

        Raises `ArgumentError` for a function that is not there, and for a name given twice.
        """
        names: dict[str, GlobalVar] = {}
        for old, new in replacements.items():
            var = self._own(old)
            names[var.name_hint] = made = GlobalVar(new) if isinstance(new, str) else new
            if made.struct_info_ is None:
                made._struct_info = var.struct_info_
        if not names:
            return self
        made_functions = renamed(self.functions, names)
        given = [var.name_hint for var in made_functions]
        twice = next((name for name in given if given.count(name) > 1), None)
        if twice is not None:
            raise ArgumentError(f"two functions would be called {twice!r}")
        return self.with_functions(made_functions)

    def update_global_info(self, name: str, infos: tuple[Node, ...]) -> None:
        """Sets the global infos called `name`."""
        self.global_infos[name] = tuple(infos)

    def clone(self) -> IRModule:
        """A module with the same functions that can be filled apart from this one."""
        return IRModule(dict(self.functions), dict(self.attrs), dict(self.global_infos))

    def with_functions(self, functions: dict[GlobalVar, BaseFunc]) -> IRModule:
        """The same attributes and infos around other functions."""
        return IRModule(functions, self.attrs, self.global_infos, span=self.span)

    def with_attr(self, attr_key: str, attr_value: Any) -> IRModule:
        """A copy with one attribute set."""
        return self.replace(attrs={**self.attrs, attr_key: attr_value})

    def without_attr(self, attr_key: str) -> IRModule:
        """A copy that lacks the attribute."""
        return self.replace(attrs={k: v for k, v in self.attrs.items() if k != attr_key})

    def with_attrs(self, attr_map: dict[str, Any]) -> IRModule:
        """A copy with all of `attr_map` set."""
        return self.replace(attrs={**self.attrs, **attr_map})

    def get_attr(self, key: str) -> Any:
        """The attribute, or None."""
        return self.attrs.get(key)

    @staticmethod
    def from_expr(expr: BaseFunc, functions: dict[GlobalVar, BaseFunc] | None = None) -> IRModule:
        """A module whose function is `expr`, called by its `global_symbol` or `main`."""
        name = str(expr.attrs.get("global_symbol", "main"))
        return IRModule({**(functions or {}), GlobalVar(name): expr})
