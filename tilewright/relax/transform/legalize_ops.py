"""LegalizeOps: high-level operators become calls of kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...ir.module import IRModule
from ...ir.op import Op
from ...ir.structural import structural_equal, structural_hash
from ...ir.transform import Pass, PassContext
from ...support.errors import CompileError
from ...tir import op as tir_op
from ..analysis.overwriting import VIEW_OPS
from ..base import Expr, StructInfo
from ..block_builder import BlockBuilder
from ..expr import Call, Constant, ShapeExpr, Tuple, Var
from ..expr_functor import PyExprMutator
from ..op._declare import Declaration, is_null
from ..op._infer import unproved
from ..op.base import call_pure_packed
from ..struct_info import ShapeStructInfo, TensorStructInfo, TupleStructInfo
from ._pass import module_level
from .config import APPLY_LEGALIZE_OPS
from .rewrite_dataflow_reshape import VIEW

LegalizeFunc = Callable[[BlockBuilder, Call], Expr]
KEEP = frozenset(
    f"relax.{name}"
    for name in (
        "call_tir", "call_tir_with_grad", "call_tir_inplace", "call_dps_packed",
        "call_pure_packed", "call_inplace_packed", "call_builtin_with_ctx", "call_py_func",
        "invoke_closure", "invoke_pure_closure", "make_closure", "null_value", "shape_of",
        "tensor_to_shape", "shape_to_tensor", "to_vdevice", "hint_on_device", "assert_op", "print",
        "builtin.alloc_tensor", "memory.alloc_storage", "memory.alloc_tensor",
        "memory.kill_storage", "memory.kill_tensor", "memory.view",
        "memory.ensure_zero_offset", "wrap_param",
    )
)  # fmt: skip
"""Operators that stay: later passes and the virtual machine know them."""


def is_known(info: StructInfo) -> bool:
    """True if the shapes and dtypes of all tensors in it are known, symbolic ones included."""
    if isinstance(info, TensorStructInfo):
        return info.dims is not None and bool(info.dtype)
    if isinstance(info, TupleStructInfo):
        return all(is_known(item) for item in info.items)
    if isinstance(info, ShapeStructInfo):
        return info.values is not None
    return True


class _Legalizer(PyExprMutator):
    def __init__(self, mod: IRModule, custom: dict[str, LegalizeFunc]) -> None:
        super().__init__(mod)
        self.custom = custom
        self.known: dict[int, list[tuple[Any, Call]]] = {}

    def visit_call_(self, op: Call) -> Expr:
        """A call: of a kernel if its operator has one."""
        call = self.visit_expr_post_order(op)
        if not isinstance(call, Call) or not isinstance(call.op, Op) or call.op.name in KEEP:
            return call
        return self.legalize(call, 0)

    def legalize(self, call: Call, depth: int) -> Expr:
        """What replaces an operator's call; its own parts are legal already."""
        name = call.op.name  # type: ignore[attr-defined]
        custom = self.custom.get(name) or call.op.get_attr("FLegalize")  # type: ignore[attr-defined]
        if custom is not None:
            made: Expr = custom(self.builder_, call)
            return made
        declared: Declaration | None = call.op.get_attr("declaration")  # type: ignore[attr-defined]
        if declared is not None and declared.packed:
            return packed_call(declared, call)
        if declared is None or not _can_lower(call):
            return call
        if declared.lower is not None:
            return self.kernel(declared, call)
        if declared.decompose is not None:
            return self.decomposed(declared.apply(declared.decompose, call, call.args), depth)
        return call

    def decomposed(self, expr: Expr, depth: int) -> Expr:
        """An expression of other operators, each legalized."""
        if depth > 50:
            raise CompileError("operators decompose into each other without end", expr.span)
        if isinstance(expr, Tuple):
            return Tuple(tuple(self._leaf(self.decomposed(i, depth)) for i in expr.items))
        if not isinstance(expr, Call):
            return expr
        args = tuple(self._leaf(self.decomposed(a, depth)) for a in expr.args)
        call = expr.replace(args=args)
        legal = isinstance(call.op, Op) and call.op.name not in KEEP
        return self.legalize(call, depth + 1) if legal else call

    def _leaf(self, expr: Expr) -> Expr:
        if isinstance(expr, (Var, Constant, ShapeExpr)) or not isinstance(expr, (Call, Tuple)):
            return expr
        return expr if isinstance(expr, Tuple) else self.builder_.emit(expr)

    def kernel(self, declared: Declaration, call: Call) -> Call:
        """The call of the kernel that the declaration's `lower` writes; equal ones are reused."""
        self._check_unproved(declared, call)
        args = _arguments(declared, call)
        signature = _signature(call, args)
        again = self._written_before(call, args, signature)
        if again is not None:
            return again
        attrs: dict[str, Any] = {}
        if declared.pattern:
            attrs["op_pattern"] = _PATTERNS[declared.pattern]
        if declared.short_name in VIEW_OPS:
            attrs[VIEW] = True
        with self.builder_.at(call.span):
            made = kernel_call(self.builder_, declared, call, attrs)
        if signature is not None:
            self.known.setdefault(structural_hash(signature), []).append((signature, made))
        return made.replace(span=call.span)

    def _check_unproved(self, declared: Declaration, call: Call) -> None:
        """Dimensions that must be equal and are not proved to be are checked by the program: no
        kernel reads beyond an array because a promise about sizes was broken."""
        if not _has_symbols(call):
            return
        with unproved() as pairs:
            declared.infer_call(call)
        if pairs:
            left, right = zip(*pairs, strict=True)
            with self.builder_.at(call.span):
                self.builder_.match_cast(ShapeExpr(left), ShapeStructInfo(right), "equal_sizes")

    def _written_before(self, call: Call, args: list[Any], signature: Any) -> Call | None:
        """The call of a kernel written for a call alike (of the same symbolic dimensions)."""
        if signature is None:
            return None
        for known, made in self.known.get(structural_hash(signature), ()):
            if structural_equal(known, signature):
                given = (made.args[0], Tuple(tuple(_tensors(args))), *made.args[2:])
                return made.replace(args=given, span=call.span)
        return None


def packed_call(declared: Declaration, call: Call) -> Call:
    """The call of the runtime's function for the operator; trailing Nones are left out."""
    values = declared.bind(call, call.args)
    while values and values[-1] is None:
        values.pop()
    return call_pure_packed(declared.packed, *values, sinfo_args=call.struct_info).replace(
        span=call.span
    )


_PATTERNS = {
    "elementwise": 0, "broadcast": 1, "injective": 2, "reduction": 3, "out_elemwise_fusable": 4,
    "opaque": 8,
}  # fmt: skip


def _can_lower(call: Call) -> bool:
    return is_known(call.struct_info) and all(
        is_null(a) or is_known(a.struct_info) for a in call.args
    )


def kernel_call(
    builder: BlockBuilder, declared: Declaration, call: Call, attrs: dict[str, Any] | None = None
) -> Call:
    """The call of the kernel that the declaration's `lower` writes, added to `builder`."""
    lower = declared.lower
    assert lower is not None

    def write(*args: Any) -> Any:
        return declared.apply(lower, call, args)

    return builder.call_te(
        write, *_arguments(declared, call), primfunc_name_hint=declared.short_name,
        primfunc_attrs=attrs,
    )  # fmt: skip


def _arguments(declared: Declaration, call: Call) -> list[Any]:
    """What `lower` is given: expressions, None for what is left out, numbers for literals."""
    args = [None if is_null(a) else a for a in call.args]
    if not declared.elementwise:
        return args
    infos = [a.struct_info for a in args if a is not None and not _is_one(a)]
    ndim = max((i.ndim for i in infos if isinstance(i, TensorStructInfo)), default=-1)
    literals = [_literal(a, ndim) for a in args]
    if all(literal is not None for literal in literals):
        return args
    return [a if literal is None else literal for a, literal in zip(args, literals, strict=True)]


def _literal(arg: Expr | None, ndim: int) -> PrimExpr | None:
    """The number that a constant of one element is, if it has no more than `ndim` dimensions: those
    of the other arguments, which then tell the result's."""
    if not isinstance(arg, Constant) or not _is_one(arg) or arg.array.ndim > ndim:
        return None
    made: PrimExpr = tir_op.const(arg.array.reshape(-1)[0].item(), arg.struct_info.dtype)
    return made


def _is_one(arg: Expr) -> bool:
    return isinstance(arg, Constant) and arg.array.size == 1


def _tensors(args: Any) -> list[Expr]:
    """The tensors among arguments, in the order in which a kernel takes them."""
    found: list[Expr] = []
    for arg in args:
        if not isinstance(arg, Expr):
            continue
        if isinstance(arg, Tuple):
            found.extend(_tensors(arg.items))
        elif isinstance(arg.struct_info, TensorStructInfo):
            found.append(arg)
    return found


def _has_symbols(call: Call) -> bool:
    infos = [a.struct_info for a in call.args if not is_null(a)]
    flat = [i for info in infos for i in getattr(info, "items", (info,))]
    values = [getattr(i, "dims", None) or getattr(i, "values", None) or () for i in flat]
    return any(not isinstance(d, IntImm) for dims in values for d in dims)


def _signature(call: Call, args: list[Any]) -> tuple[Any, ...] | None:
    """What decides a call's kernel: operator, attributes, and what is known of the arguments; None
    if equal kernels cannot be told by it."""
    parts: list[Any] = [call.op.name, dict(call.attrs), call.sinfo_args]  # type: ignore[attr-defined]
    for arg in args:
        info = arg.struct_info if isinstance(arg, Expr) else None
        if isinstance(info, TensorStructInfo):
            parts.append(info)
        elif isinstance(info, TupleStructInfo):
            if not isinstance(arg, Tuple) or _has_tuple(info):
                return None
            parts.append(info)
        else:
            parts.append(arg)
    return tuple(parts)


def _has_tuple(info: TupleStructInfo) -> bool:
    return any(not isinstance(item, TensorStructInfo) for item in info.items)


def LegalizeOps(
    customize_legalize_map: dict[str, LegalizeFunc] | None = None, enable_warning: bool = False
) -> Pass:
    """Replaces calls of operators by `call_tir` of kernels made by their declared lowering.

    `customize_legalize_map` maps operator names to functions `(builder, call) -> expression` that
    go first. Calls whose shapes are not known stay. Config `relax.transform.apply_legalize_ops`:
    whether anything is replaced at all (it is by default).
    """
    custom = dict(customize_legalize_map or {})

    def transform(mod: IRModule) -> IRModule:
        applies = PassContext.current().config.get(APPLY_LEGALIZE_OPS, True)
        return _Legalizer(mod, custom).transform() if applies else mod

    return module_level("LegalizeOps", transform)


def register_legalize(op_name: str, legal_func: LegalizeFunc | None = None) -> Any:
    """Sets how an operator is legalized, before its declared lowering."""
    op = Op.get(op_name)

    def register(func: LegalizeFunc) -> LegalizeFunc:
        op.set_attr("FLegalize", func)
        return func

    return register if legal_func is None else register(legal_func)
