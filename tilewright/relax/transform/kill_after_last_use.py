"""KillAfterLastUse: memory is given back as soon as its last user has run."""

from __future__ import annotations

from ...ir.op import Op
from ...ir.transform import Pass
from ..analysis.variables import uses_of
from ..expr import Binding, Call, Function, MatchCast, SeqExpr, Tuple, TupleGetItem, Var, VarBinding
from ..op.memory import kill_storage, kill_tensor
from ..op.vm import kill_object
from ..struct_info import ObjectStructInfo, TensorStructInfo, TupleStructInfo
from ._pass import function_level


def _kill(var: Var, value: object) -> Call | None:
    name = value.op.name if isinstance(value, Call) and isinstance(value.op, Op) else ""
    if name.endswith("alloc_storage"):
        return kill_storage(var)
    if name.endswith("alloc_tensor"):
        return kill_tensor(var)
    if isinstance(var.struct_info, (TensorStructInfo, ObjectStructInfo)) and isinstance(
        value, Call
    ):
        return kill_object(var)
    return None


def kill_after_last_use(seq: SeqExpr) -> SeqExpr:
    """The sequence with a kill after the last use of each variable of its own that holds memory.

    Variables whose value another one shares (tuples, items, renamings) live as long as these.
    """
    bindings = list(seq.bindings())
    last: dict[Var, int] = {}
    held: dict[Var, set[Var]] = {}
    for index, binding in enumerate(bindings):
        used = uses_of(binding.value)
        shares = isinstance(binding, MatchCast) or isinstance(
            binding.value,
            (Var, Tuple, TupleGetItem),
        )
        whole = {v for u in used for v in (u, *held.get(u, ()))}
        for var in whole:
            last[var] = index
        held[binding.var] = whole if shares else _storages(binding, used)
        last[binding.var] = index
    kept = {v for u in uses_of(seq.body) for v in (u, *held.get(u, ()))}
    values = {b.var: b.value for b in bindings if isinstance(b, VarBinding)}
    ends: dict[int, list[Call]] = {}
    for var, value in values.items():
        kill = _kill(var, value)
        if kill is not None and var not in kept:
            ends.setdefault(last[var], []).append(kill)
    return _with_kills(seq, ends) if ends else seq


def _storages(binding: Binding, used: list[Var]) -> set[Var]:
    """A tensor in a storage keeps the storage."""
    value = binding.value
    name = value.op.name if isinstance(value, Call) and isinstance(value.op, Op) else ""
    return set(used) if name.endswith(("alloc_tensor", "reshape", "view")) else set()


def _with_kills(seq: SeqExpr, ends: dict[int, list[Call]]) -> SeqExpr:
    blocks = []
    index = 0
    for block in seq.blocks:
        new: list[Binding] = []
        for binding in block.bindings:
            new.append(binding)
            for kill in ends.get(index, ()):
                new.append(VarBinding(Var("_", TupleStructInfo(())), kill))
            index += 1
        blocks.append(block.replace(bindings=tuple(new)))
    return seq.replace(blocks=tuple(blocks))


def KillAfterLastUse() -> Pass:
    """Adds `kill_tensor`, `kill_storage` and `kill_object` after last uses."""

    def rewrite(func: Function) -> Function:
        return func.replace(body=kill_after_last_use(func.body))

    return function_level("KillAfterLastUse", rewrite)
