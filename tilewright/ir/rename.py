"""Functions of a module under other names."""

from __future__ import annotations

from collections.abc import Mapping

from .expr import BaseFunc, GlobalVar
from .functor import Rewriter, on


class RenameGlobals(Rewriter):
    """Replaces mentions of functions, by name."""

    def __init__(self, names: Mapping[str, GlobalVar]) -> None:
        self.names = names

    @on(GlobalVar)
    def global_var(self, var: GlobalVar) -> GlobalVar:
        return self.names.get(var.name_hint, var)


def renamed(
    functions: Mapping[GlobalVar, BaseFunc], names: Mapping[str, GlobalVar]
) -> dict[GlobalVar, BaseFunc]:
    """`functions` with those in `names` called as that says, wherever they are mentioned; public
    ones have the new name as their `global_symbol`."""
    rename = RenameGlobals(names)
    made: dict[GlobalVar, BaseFunc] = {}
    for var, func in functions.items():
        new, body = names.get(var.name_hint, var), rename.run(func)
        if new is not var and "global_symbol" in func.attrs:
            body = body.replace(attrs={**func.attrs, "global_symbol": new.name_hint})
        made[new] = body
    return made
