"""The namespace `R` of the builder: `from tilewright.script.ir_builder import relax as R`.

Scopes and bindings act at once on the innermost `IRBuilder`; the operators are those of script.
"""

from __future__ import annotations

from typing import Any

from . import script
from .frames import (
    Else,
    If,
    Then,
    arg,
    dataflow,
    emit,
    emit_match_cast,
    emit_te,
    emit_var_binding,
    func_attr,
    func_name,
    func_ret_struct_info,
    func_ret_value,
    function,
    lookup_binding,
    lookup_vdevice,
    output,
)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(script, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(script)})
