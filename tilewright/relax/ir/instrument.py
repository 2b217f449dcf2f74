"""An instrument that checks modules between passes."""

from __future__ import annotations

from ...ir.instrument import PassInstrument
from ...ir.module import IRModule
from ...ir.transform import PassInfo
from ...support.errors import CompileError
from ..analysis.well_formed import problems

UNCHECKED = ("Normalize", "NormalizeGlobalVar", "ResolveGlobals")
"""Passes whose business is to make modules well-formed."""


class WellFormedInstrument(PassInstrument):
    """Raises `CompileError` that says which pass took or left a module that is not well-formed.

    What a pass is given is checked too with `validate_before_transform`.
    """

    def __init__(
        self, check_struct_info: bool = True, validate_before_transform: bool = True
    ) -> None:
        super().__init__()
        self.check_struct_info = check_struct_info
        self.validate_before_transform = validate_before_transform

    def run_before_pass(self, mod: IRModule, info: PassInfo) -> None:
        """Checks what a pass is given."""
        if self.validate_before_transform:
            self._check(mod, info.name, "before")

    def run_after_pass(self, mod: IRModule, info: PassInfo) -> None:
        """Checks what a pass made."""
        self._check(mod, info.name, "after")

    def _check(self, mod: IRModule, name: str, when: str) -> None:
        if name in UNCHECKED:
            return
        found = problems(mod, self.check_struct_info)
        if found:
            raise CompileError(f"the module is not well-formed {when} {name}: {found[0]}")
