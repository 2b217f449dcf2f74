"""Relations between struct infos: which describes more, what two have in common, what unifies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.global_info import VDevice, same_vdevice
from ...ir.structural import structural_equal
from ...support.errors import CompileError
from ...tir.expr import Var as TirVar
from ..base import HOOKS, Expr, ShapeExpr, StructInfo
from ..dims import Dims, is_different, is_equal, substitute, symbolic_vars
from ..distributed.struct_info import DTensorStructInfo
from ..expr import Var
from ..struct_info import (
    FuncStructInfo,
    ObjectStructInfo,
    PrimStructInfo,
    ShapeStructInfo,
    TensorStructInfo,
    TupleStructInfo,
)


class BaseCheckResult(IntEnum):
    """How far `base` is from describing everything that `derived` describes."""

    FAIL_L0 = 0  # no value fits both
    FAIL_L1 = 1  # kind, rank or dtype must be checked at run time
    FAIL_L2 = 2  # dimensions must be checked at run time
    PASS = 3


_PASS, _L0, _L1, _L2 = (
    BaseCheckResult.PASS,
    BaseCheckResult.FAIL_L0,
    BaseCheckResult.FAIL_L1,
    BaseCheckResult.FAIL_L2,
)


def struct_info_base_check(base: StructInfo, derived: StructInfo) -> BaseCheckResult:
    """How `base` relates to `derived`: `PASS` if it describes all of its values."""
    if isinstance(base, ObjectStructInfo):
        return _PASS
    if type(derived) is ObjectStructInfo:
        return _L1
    if type(base) is not type(derived):
        return _L0
    return _CHECKS[type(base)](base, derived)


def is_base_of(base: StructInfo, derived: StructInfo) -> bool:
    """True if `base` describes every value that `derived` describes."""
    return struct_info_base_check(base, derived) is _PASS


def _known(base: Any, derived: Any, unknown: Any) -> BaseCheckResult:
    if base in (unknown, derived):
        return _PASS
    return _L1 if derived == unknown else _L0


def _dims_check(base: Dims | None, derived: Dims | None) -> BaseCheckResult:
    if base is None:
        return _PASS
    if derived is None:
        return _L2
    if len(base) != len(derived):
        return _L0
    worst = _PASS
    for b, d in zip(base, derived, strict=True):
        if not is_equal(b, d):
            worst = min(worst, _L0 if is_different(b, d) else _L2)
    return worst


def _device_check(base: VDevice | None, derived: VDevice | None) -> BaseCheckResult:
    if base is None or derived is base:
        return _PASS
    if derived is None or (base.target is not None and derived.target is None):
        return _L1
    return _L0 if base.target is not None and not same_vdevice(base, derived) else _PASS


def _tensor_check(base: TensorStructInfo, derived: TensorStructInfo) -> BaseCheckResult:
    facts = (
        _known(base.dtype, derived.dtype, ""),
        _known(base.ndim, derived.ndim, -1),
        _device_check(base.vdevice, derived.vdevice),
    )
    if min(facts) is not _PASS:
        return min(facts)
    if base.shape is None or base.shape is derived.shape:
        return _PASS
    if base.dims is None:
        return _L2
    return _dims_check(base.dims, derived.dims)


def _shape_check(base: ShapeStructInfo, derived: ShapeStructInfo) -> BaseCheckResult:
    return min(_known(base.ndim, derived.ndim, -1), _dims_check(base.values, derived.values))


def _prim_check(base: PrimStructInfo, derived: PrimStructInfo) -> BaseCheckResult:
    if base.dtype != derived.dtype:
        return _L0
    if base.value is None:
        return _PASS
    if derived.value is None:
        return _L2
    if structural_equal(base.value, derived.value):
        return _PASS
    return _dims_check((base.value,), (derived.value,)) if "int" in base.dtype else _L2


def _tuple_check(base: TupleStructInfo, derived: TupleStructInfo) -> BaseCheckResult:
    if len(base.items) != len(derived.items):
        return _L0
    pairs = zip(base.items, derived.items, strict=True)
    return min((struct_info_base_check(b, d) for b, d in pairs), default=_PASS)


def _func_check(base: FuncStructInfo, derived: FuncStructInfo) -> BaseCheckResult:
    if base.purity and not derived.purity:
        return _L0
    if base.params is None:
        return struct_info_base_check(base.ret, derived.ret)
    if derived.params is None:
        return _L1
    if len(base.params) != len(derived.params):
        return _L0
    if structural_equal(base, derived):
        return _PASS
    pairs = zip(derived.params, base.params, strict=True)
    worst = min((struct_info_base_check(d, b) for d, b in pairs), default=_PASS)
    return min(worst, struct_info_base_check(base.ret, derived.ret))


def _dtensor_check(base: DTensorStructInfo, derived: DTensorStructInfo) -> BaseCheckResult:
    same = structural_equal(base.device_mesh, derived.device_mesh) and structural_equal(
        base.placement, derived.placement
    )
    return struct_info_base_check(base.tensor_sinfo, derived.tensor_sinfo) if same else _L0


_CHECKS: dict[type[StructInfo], Callable[[Any, Any], BaseCheckResult]] = {
    TensorStructInfo: _tensor_check,
    DTensorStructInfo: _dtensor_check,
    ShapeStructInfo: _shape_check,
    PrimStructInfo: _prim_check,
    TupleStructInfo: _tuple_check,
    FuncStructInfo: _func_check,
}
HOOKS["is_base_of"] = is_base_of


def struct_info_lca(lhs: StructInfo, rhs: StructInfo) -> StructInfo:
    """The most exact struct info that describes the values of both."""
    if lhs is rhs:
        return lhs
    merge = _MERGES.get(type(lhs))
    if merge is None or type(lhs) is not type(rhs):
        return ObjectStructInfo()
    merged: StructInfo = merge(lhs, rhs)
    return merged


def _tensor_lca(a: TensorStructInfo, b: TensorStructInfo) -> StructInfo:
    dtype = a.dtype if a.dtype == b.dtype else ""
    ndim = a.ndim if a.ndim == b.ndim else -1
    vdevice = a.vdevice if structural_equal(a.vdevice, b.vdevice) else None
    same = a.shape is b.shape or (
        a.dims is not None and b.dims is not None and _dims_check(a.dims, b.dims) is _PASS
    )
    return TensorStructInfo(a.shape if same else None, dtype, vdevice, ndim)


def _shape_lca(a: ShapeStructInfo, b: ShapeStructInfo) -> StructInfo:
    if a.values is not None and b.values is not None and _dims_check(a.values, b.values) is _PASS:
        return a
    return ShapeStructInfo(None, a.ndim if a.ndim == b.ndim else -1)


def _prim_lca(a: PrimStructInfo, b: PrimStructInfo) -> StructInfo:
    if a.dtype != b.dtype:
        return ObjectStructInfo()
    return a if structural_equal(a, b) else PrimStructInfo(a.dtype)


def _tuple_lca(a: TupleStructInfo, b: TupleStructInfo) -> StructInfo:
    if len(a.items) != len(b.items):
        return ObjectStructInfo()
    return TupleStructInfo(
        tuple(struct_info_lca(x, y) for x, y in zip(a.items, b.items, strict=True))
    )


def _func_lca(a: FuncStructInfo, b: FuncStructInfo) -> StructInfo:
    if structural_equal(a, b):
        return a
    params = None
    if a.params is not None and b.params is not None and len(a.params) == len(b.params):
        pairs = zip(a.params, b.params, strict=True)
        params = tuple(struct_info_lca(x, y) for x, y in pairs)
    return FuncStructInfo(params, struct_info_lca(a.ret, b.ret), a.purity and b.purity)


def _dtensor_lca(a: DTensorStructInfo, b: DTensorStructInfo) -> StructInfo:
    places = structural_equal(a.placement, b.placement)
    if not places or not structural_equal(a.device_mesh, b.device_mesh):
        return ObjectStructInfo()
    merged = struct_info_lca(a.tensor_sinfo, b.tensor_sinfo)
    return DTensorStructInfo(merged, a.device_mesh, a.placement)  # type: ignore[arg-type]


_MERGES: dict[type[StructInfo], Callable[[Any, Any], StructInfo]] = {
    ObjectStructInfo: lambda a, b: a,
    TensorStructInfo: _tensor_lca,
    DTensorStructInfo: _dtensor_lca,
    ShapeStructInfo: _shape_lca,
    PrimStructInfo: _prim_lca,
    TupleStructInfo: _tuple_lca,
    FuncStructInfo: _func_lca,
}


def map_leaves(
    info: StructInfo,
    dims: Callable[[Dims], Dims | None],
    shape: Callable[[Expr], Expr | None] = lambda shape: shape,
) -> StructInfo:
    """`info` with each known list of dimensions replaced (None: forgotten); functions stay."""
    if isinstance(info, TensorStructInfo):
        if isinstance(info.shape, ShapeExpr):
            new = dims(info.shape.values)
            if new is info.shape.values:
                return info
            made = None if new is None else ShapeExpr(new)
            return TensorStructInfo(made, info.dtype, info.vdevice, info.ndim)
        if info.shape is not None and (var := shape(info.shape)) is not info.shape:
            return TensorStructInfo(var, info.dtype, info.vdevice, info.ndim)
        return info
    if isinstance(info, ShapeStructInfo) and info.values is not None:
        values = dims(info.values)
        return info if values is info.values else ShapeStructInfo(values, info.ndim)
    if isinstance(info, PrimStructInfo) and info.value is not None:
        kept = dims((info.value,))
        if kept is not None and kept[0] is info.value:
            return info
        return PrimStructInfo(info.dtype, None if kept is None else kept[0])
    if isinstance(info, DTensorStructInfo):
        whole = map_leaves(info.tensor_sinfo, dims, shape)
        return info if whole is info.tensor_sinfo else info.replace(tensor_sinfo=whole)
    if isinstance(info, TupleStructInfo):
        items = tuple(map_leaves(item, dims, shape) for item in info.items)
        same = all(a is b for a, b in zip(items, info.items, strict=True))
        return info if same else TupleStructInfo(items)
    return info


def erase_vars(info: StructInfo, hidden: Callable[[TirVar], bool]) -> StructInfo:
    """`info` with every shape forgotten that uses a hidden symbolic variable."""

    def keep(dims: Dims) -> Dims | None:
        return None if any(hidden(v) for v in symbolic_vars(dims)) else dims

    return map_leaves(info, keep)


def erase_to_well_defined(
    sinfo: StructInfo,
    shape_var_map: dict[TirVar, PrimExpr] | None = None,
    var_map: dict[Var, Expr] | None = None,
) -> StructInfo:
    """`sinfo` in a scope that knows only the given variables, which are replaced by their values.

    A shape that uses any other variable becomes unknown (its rank stays).
    """
    dims_env = dict(shape_var_map or {})
    vars_env = var_map or {}

    def dims(values: Dims) -> Dims | None:
        if any(v not in dims_env for v in symbolic_vars(values)):
            return None
        new: Dims = substitute(values, dims_env)
        return new

    return map_leaves(sinfo, dims, lambda shape: vars_env.get(shape))  # type: ignore[call-overload]


class Unifier:
    """Matches parameters' struct infos with arguments', binding the parameters' variables."""

    def __init__(self, free: Iterable[TirVar] | None = None) -> None:
        self.free = None if free is None else set(free)
        self.env: dict[TirVar, PrimExpr] = {}

    def _dim(self, param: PrimExpr, arg: PrimExpr) -> str:
        unbound = isinstance(param, TirVar) and param not in self.env
        if unbound and (self.free is None or param in self.free):
            self.env[param] = arg  # type: ignore[index]
            return ""
        expected = substitute(param, self.env)
        if is_different(expected, arg):
            return f"dimension `{arg}` where `{expected}` is needed"
        return ""

    def dims(self, params: Dims, args: Dims) -> str:
        """Binds variables first, then checks the compound dimensions; the text of a mismatch."""
        if len(params) != len(args):
            return f"{len(args)} dimensions where {len(params)} are needed"
        pairs = sorted(
            zip(params, args, strict=True), key=lambda pair: not isinstance(pair[0], TirVar)
        )
        for param, arg in pairs:
            if problem := self._dim(param, arg):
                return problem
        return ""

    def match(self, param: StructInfo, arg: StructInfo) -> str:
        """Binds what `arg` tells of `param`'s variables; the text of a mismatch, or empty."""
        if isinstance(param, ObjectStructInfo) or type(arg) is ObjectStructInfo:
            return ""
        if type(param) is not type(arg):
            return f"`{arg}` where `{param}` is needed"
        return _UNIFY[type(param)](self, param, arg) if type(param) in _UNIFY else ""

    def tensor(self, param: TensorStructInfo, arg: TensorStructInfo) -> str:
        """Tensors: dtype, rank, dimensions."""
        if param.dtype and arg.dtype and param.dtype != arg.dtype:
            return f"dtype {arg.dtype} where {param.dtype} is needed"
        if -1 not in (param.ndim, arg.ndim) and param.ndim != arg.ndim:
            return f"{arg.ndim} dimensions where {param.ndim} are needed"
        both = param.dims is not None and arg.dims is not None
        return self.dims(param.dims, arg.dims) if both else ""  # type: ignore[arg-type]

    def shape(self, param: ShapeStructInfo, arg: ShapeStructInfo) -> str:
        """Shapes."""
        if param.values is not None and arg.values is not None:
            return self.dims(param.values, arg.values)
        if -1 not in (param.ndim, arg.ndim) and param.ndim != arg.ndim:
            return f"{arg.ndim} dimensions where {param.ndim} are needed"
        return ""

    def prim(self, param: PrimStructInfo, arg: PrimStructInfo) -> str:
        """Scalars."""
        if param.dtype != arg.dtype:
            return f"{arg.dtype} where {param.dtype} is needed"
        both = param.value is not None and arg.value is not None
        return self.dims((param.value,), (arg.value,)) if both else ""  # type: ignore[arg-type]

    def tuple(self, param: TupleStructInfo, arg: TupleStructInfo) -> str:
        """Tuples, item by item."""
        if len(param.items) != len(arg.items):
            return f"{len(arg.items)} items where {len(param.items)} are needed"
        for index, (p, a) in enumerate(zip(param.items, arg.items, strict=True)):
            if problem := self.match(p, a):
                return f"item {index}: {problem}"
        return ""


_UNIFY: dict[type[StructInfo], Callable[[Unifier, Any, Any], str]] = {
    TensorStructInfo: Unifier.tensor,
    ShapeStructInfo: Unifier.shape,
    PrimStructInfo: Unifier.prim,
    TupleStructInfo: Unifier.tuple,
}


def definable_tir_vars_in_struct_info(sinfo: StructInfo) -> list[TirVar]:
    """The symbolic variables that a parameter of this struct info binds: those that stand alone."""
    found: dict[TirVar, None] = {}
    if isinstance(sinfo, FuncStructInfo):
        for param in sinfo.params or ():
            found.update(dict.fromkeys(definable_tir_vars_in_struct_info(param)))

    def collect(dims: Dims) -> Dims:
        found.update((d, None) for d in dims if isinstance(d, TirVar))
        return dims

    map_leaves(sinfo, collect)
    return list(found)


def tir_vars_in_struct_info(sinfo: StructInfo) -> list[TirVar]:
    """All symbolic variables that the struct info uses, in order, each once."""
    return symbolic_vars(sinfo)


def apply_function(func: FuncStructInfo, args: tuple[StructInfo, ...], what: str) -> StructInfo:
    """The result's struct info when a function is called: `n -> f(n)` with the arguments' `n`."""
    if func.params is None:
        return func.ret
    if len(args) != len(func.params):
        raise CompileError(f"{what} takes {len(func.params)} arguments, found {len(args)}")
    bound = {v for p in func.params for v in definable_tir_vars_in_struct_info(p)}
    unifier = Unifier(bound)
    for index, (param, arg) in enumerate(zip(func.params, args, strict=True)):
        if problem := unifier.match(param, arg):
            raise CompileError(f"argument {index} of {what}: {problem}")
    ret: StructInfo = substitute(func.ret, unifier.env)
    lost = bound - set(unifier.env)
    return erase_vars(ret, lost.__contains__) if lost else ret


def derive_call_ret_struct_info(
    func_sinfo: FuncStructInfo, call: Any, ctx: Any = None
) -> StructInfo:
    """The struct info of `call`, a call of a function of `func_sinfo`."""
    if func_sinfo.derive_func is not None:
        return func_sinfo.derive_func(call, ctx)
    return apply_function(func_sinfo, tuple(a.struct_info for a in call.args), "the function")


def _sizes(info: StructInfo) -> Iterator[PrimExpr]:
    """The dimensions of tensors and shapes, in order, those of functions too."""
    if isinstance(info, (TensorStructInfo, ShapeStructInfo)):
        dims = info.dims if isinstance(info, TensorStructInfo) else info.values
        yield from dims or ()
    elif isinstance(info, DTensorStructInfo):
        yield from _sizes(info.tensor_sinfo)
    elif isinstance(info, TupleStructInfo):
        for item in info.items:
            yield from _sizes(item)
    elif isinstance(info, FuncStructInfo):
        for part in (*(info.params or ()), info.ret):
            yield from _sizes(part)


def collect_non_negative_expressions(sinfo: StructInfo) -> list[PrimExpr]:
    """The expressions in `sinfo` that are dimensions, and so never negative, each once."""
    found: list[PrimExpr] = []
    for size in _sizes(sinfo):
        if not isinstance(size, IntImm) and not any(structural_equal(size, f) for f in found):
            found.append(size)
    return found
