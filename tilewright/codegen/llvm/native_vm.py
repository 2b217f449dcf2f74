"""Executables compiled: each function's instruction list becomes one `__tvm_ffi_<name>` in LLVM IR.

Between two kernels there is nothing but pointer arithmetic: storage lies at fixed places of one
arena a call takes from its module, dimensions are integers, checks run once at the start.
"""

from __future__ import annotations

from collections.abc import Collection

from tilewright.runtime.executable import Executable

from .vm_emitter import ModuleEmitter
from .vm_instructions import EMITTERS

FAILING_KERNELS = "failing_kernels"  # in `Executable.attrs`: kernels that return a status


def vm_ir(
    executable: Executable,
    *,
    packed: Collection[str] = (),
    failing: Collection[str] | None = None,
) -> str:
    """The functions of `executable` as one LLVM module.

    It calls kernels by their bare symbols. `packed` names the functions whose `__tvm_ffi_<name>`
    is in the objects it will be linked with; all others that it calls are global functions.
    `failing` names the kernels that return a status (default: the attribute `failing_kernels`).
    """
    if failing is None:
        failing = executable.attrs.get(FAILING_KERNELS, ())
    return ModuleEmitter(executable, frozenset(packed), frozenset(failing), EMITTERS).text()
