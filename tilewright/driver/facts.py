"""What is known of an executable's kernels without running them: their work and their schedules.

It stands in the executable's attributes, so that libraries and the cache have it too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..dlight.base import REASON
from ..ir.expr import IntImm, PrimExpr
from ..ir.json import load_json, save_json
from ..ir.module import IRModule
from ..runtime.executable import Executable
from ..tir.analysis import undefined_vars, work_of
from ..tir.arith import simplify
from ..tir.expr import Var
from ..tir.function import PrimFunc
from ..tir.stmt_functor import substitute

KERNELS = "kernels"
"""The attribute of an executable: facts by the kernel's name."""

Amount = int | str | None
"""A number; or, as JSON, an expression over the kernel's scalar parameters; None: not known."""


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """Scalar operations (`dtype` most of them) and bytes of arguments of one call; which schedule
    the kernel has and why; the names of its scalar parameters, after its arrays."""

    flops: Amount
    bytes: Amount
    dtype: str
    schedule: str
    scalars: tuple[str, ...] = ()

    def at(self, scalars: Sequence[int]) -> tuple[int | None, int | None]:
        """Operations and bytes with these values of the scalars; None if they do not tell."""
        env = dict(zip(self.scalars, scalars, strict=False))
        return _value(self.flops, env), _value(self.bytes, env)


def facts_of(kernels: IRModule, scheduled: IRModule) -> dict[str, dict[str, Any]]:
    """The facts of all kernels as JSON: their work without, their attributes with schedules."""
    after = {var.name_hint: func for var, func in scheduled.items()}
    found = {}
    for var, func in kernels.items():
        if isinstance(func, PrimFunc):
            made = after.get(var.name_hint, func)
            found[var.name_hint] = asdict(_facts(func, str(made.attrs.get(REASON, "its own"))))
    return found


def kernel_facts(executable: Executable) -> dict[str, KernelFacts]:
    """The facts that an executable holds; those that another version wrote are left out."""
    table = executable.attrs.get(KERNELS, {})
    names = {field.name for field in fields(KernelFacts)}
    return {
        name: KernelFacts(**{**row, "scalars": tuple(row["scalars"])})
        for name, row in table.items()
        if isinstance(row, Mapping) and row.keys() == names
    }


def _facts(func: PrimFunc, schedule: str) -> KernelFacts:
    work = work_of(func)
    scalars = tuple(p.name for p in func.params if p not in func.buffer_map)
    flops, size = (_saved(amount, set(func.params)) for amount in (work.flops, work.bytes))
    return KernelFacts(flops, size, work.dtype, schedule, scalars)


def _saved(amount: int | PrimExpr, params: set[Var]) -> Amount:
    if isinstance(amount, int):
        return amount
    return save_json(amount) if params.issuperset(undefined_vars(amount)) else None


def _value(amount: Amount, env: Mapping[str, int]) -> int | None:
    if not isinstance(amount, str):
        return amount
    expr: PrimExpr = load_json(amount)
    known = {
        var: IntImm(var.dtype, env[var.name]) for var in undefined_vars(expr) if var.name in env
    }
    result = simplify(substitute(expr, known))
    return result.value if isinstance(result, IntImm) else None
