"""The shapes and layouts of the fragments of matrices that warps compute with."""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.expr import IntImm
from ...ir.functor import Rewriter, Visitor, on
from ...ir.type import PointerType
from ...support.errors import CompileError
from ..expr import Call, StringImm, Var
from ..function import PrimFunc
from ..stmt import Allocate, AttrStmt, Stmt
from .base import factory

SHAPE, LAYOUT = "fragment_shape", "fragment_layout"
OPERANDS = ("wmma.matrix_a", "wmma.matrix_b")
_FILLED_LAYOUT = "row_major"
_ROLES = ("d", "a", "b", "c")


@dataclass(frozen=True)
class _Fragment:
    """`m, n, k` of the product, and how an operand lies (empty for sums that are loaded)."""

    shape: tuple[int, ...]
    layout: str


@factory
def InferFragment(func: PrimFunc) -> PrimFunc:
    """a = allocate("wmma.matrix_a"); load_matrix_sync(a, m, n, k, ..., "row_major")
    ->   a = allocate(...); attr(a, fragment_layout, "row_major");
    attr(a, fragment_shape, "m, n, k"); load_matrix_sync(...)

    The attributes stand within the allocation, where `a` is defined (in TVM around it).
    Raises `CompileError` where a fragment is used with two shapes or layouts, before it is filled
    or loaded, or where the fragments of a product have different shapes.
    """
    finder = _Find()
    finder.walk(func.body)
    return func.replace(body=_Annotate(finder.found).run(func.body))


class _Find(Visitor):
    def __init__(self) -> None:
        self.found: dict[Var, _Fragment] = {}

    @on(Call)
    def call(self, call: Call) -> None:
        """What the intrinsics say of a fragment."""
        self.visit_children(call)
        name = getattr(call.op, "name", "")
        if name in ("tir.tvm_load_matrix_sync", "tir.tvm_store_matrix_sync"):
            self._moved(call)
        elif name == "tir.tvm_fill_fragment":
            var, shape = _described(call)
            known = self.found.get(var)
            self._note(call, var, _Fragment(shape, known.layout if known else _FILLED_LAYOUT))
        elif name in ("tir.tvm_mma_sync", "tir.tvm_bmma_sync"):
            self._multiplied(call)

    def _moved(self, call: Call) -> None:
        var, shape = _described(call)
        known = self.found.get(var)
        if _scope(var) in OPERANDS:
            layout = call.args[7]
            if not isinstance(layout, StringImm):
                raise CompileError(f"the layout of `{var.name}` is no string: {layout}", call.span)
            self._note(call, var, _Fragment(shape, layout.value))
        else:
            self._note(call, var, _Fragment(shape, known.layout if known else ""))

    def _note(self, call: Call, var: Var, made: _Fragment) -> None:
        known = self.found.setdefault(var, made)
        if known != made:
            raise CompileError(
                f"fragment `{var.name}` is used as {_text(made)} and as {_text(known)}", call.span
            )

    def _multiplied(self, call: Call) -> None:
        shapes: dict[str, tuple[int, ...]] = {}
        for role, var in zip(_ROLES, call.args[::2], strict=True):
            known = self.found.get(var)  # type: ignore[call-overload]
            if known is None:
                raise CompileError(
                    f"fragment {role} of a product is used before it holds anything: {var}",
                    call.span, hint="fill it (tvm_fill_fragment) or load it (tvm_load_matrix_sync)",
                )  # fmt: skip
            shapes[role] = known.shape
        if len(set(shapes.values())) > 1:
            shown = ", ".join(f"{role}: {shape}" for role, shape in shapes.items())
            raise CompileError(f"the fragments of a product have different shapes: {shown}")


def _described(call: Call) -> tuple[Var, tuple[int, ...]]:
    """The fragment that a call is about, and the shape that it says it has."""
    var, *shape = call.args[:4]
    sizes = [size.value for size in shape if isinstance(size, IntImm)]
    if not isinstance(var, Var) or len(sizes) != 3:
        raise CompileError(f"a fragment of unknown address or shape: {call}", call.span)
    return var, tuple(sizes)


def _scope(var: Var) -> str:
    kind = var.type_annotation
    return kind.storage_scope if isinstance(kind, PointerType) else ""


def _text(fragment: _Fragment) -> str:
    return " ".join([str(fragment.shape), fragment.layout]).strip()


class _Annotate(Rewriter):
    def __init__(self, found: dict[Var, _Fragment]) -> None:
        self.found = found

    @on(Allocate)
    def allocate(self, node: Allocate) -> Stmt:
        """A fragment that is used, and what is known of it over its uses."""
        made: Stmt = self.rewrite_children(node)
        fragment = self.found.get(node.buffer_var)
        if fragment is None or not isinstance(made, Allocate):
            return made
        shape = StringImm(", ".join(map(str, fragment.shape)))
        body: Stmt = AttrStmt(node.buffer_var, SHAPE, shape, made.body)
        if fragment.layout:
            body = AttrStmt(node.buffer_var, LAYOUT, StringImm(fragment.layout), body)
        return made.replace(body=body)
