"""Loops, branches, allocations: the handlers of statement nodes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tilewright.ir.expr import IntImm, PrimExpr
from tilewright.support.errors import CompileError
from tilewright.tir import stmt as S
from tilewright.tir.analysis.effects import is_left_early
from tilewright.tir.expr import StringImm

from ..threads import refuse_threads
from .builder import Value, escaped, int_of, size_of
from .common import compute_common
from .division import is_never_negative
from .emitter import STATEMENTS, FunctionEmitter
from .failing import STACK_LIMIT, error_of, stack_size
from .loops import as_int64, no_unroll, run_loop
from .parallel import launch
from .types import alignment, memory_type

Handler = Callable[..., "S.Stmt | None"]
VECTOR_ALIGNMENT = 64


def on(*classes: type) -> Callable[[Handler], Handler]:
    """Enters a handler for statement classes into the table."""

    def enter(handler: Handler) -> Handler:
        for cls in classes:
            STATEMENTS[cls] = handler
        return handler

    return enter


@on(S.SeqStmt)
def _seq(e: FunctionEmitter, node: S.SeqStmt) -> S.Stmt | None:
    if e.loops and any(map(_is_open, node.seq)):
        compute_common(e, node.seq)
    for part in node.seq[:-1]:
        e.stmt(part)
    return node.seq[-1] if node.seq else None


def _is_open(part: S.Stmt) -> bool:
    """True for a loop whose length is known at run time only."""
    return isinstance(part, S.For) and not isinstance(part.extent, IntImm)


@on(S.Evaluate)
def _evaluate(e: FunctionEmitter, node: S.Evaluate) -> None:
    if not isinstance(node.value, IntImm):
        e.expr(node.value)


@on(S.LetStmt)
def _let(e: FunctionEmitter, node: S.LetStmt) -> S.Stmt:
    e.bind(node.var, e.expr(node.value))
    if is_never_negative(e, node.value):
        e.never_negative.add(id(node.var))
    return node.body


@on(S.AttrStmt, S.DeclBuffer)
def _transparent(e: FunctionEmitter, node: S.AttrStmt | S.DeclBuffer) -> S.Stmt:
    if isinstance(node, S.AttrStmt):
        refuse_threads(node, e.name)
    return node.body


# ---- control flow ------------------------------------------------------------------------------


@on(S.For)
def _for(e: FunctionEmitter, node: S.For) -> S.Stmt | None:
    if node.kind not in (S.ForKind.SERIAL, S.ForKind.PARALLEL, S.ForKind.UNROLLED):
        raise CompileError(
            f"a loop over `{node.loop_var.name}` is still {node.kind.name}; code generation "
            "takes serial, unrolled and parallel loops",
            node.span,
        )
    extent = e.index(node.extent)
    count = int_of(extent)
    if count is not None and count <= 0:
        return None
    if is_never_negative(e, node.min):
        e.never_negative.add(id(node.loop_var))
    begin = e.index(node.min)
    if count == 1 and not is_left_early(node.body):
        e.bind(node.loop_var, begin)
        return node.body
    if node.kind == S.ForKind.PARALLEL and e.parent is None:
        launch(e, node, begin, extent)
    else:
        run_loop(e, node, begin, e.b.add(begin, extent, " nsw"), count is not None)
    return None


@on(S.While)
def _while(e: FunctionEmitter, node: S.While) -> None:
    head, inside, done = e.b.label("while"), e.b.label("do"), e.b.label("done")
    e.effect()
    e.b.jump(head)
    e.b.start(head)
    with e.scope():
        e.b.branch(e.expr(node.condition), inside, done)
        e.b.start(inside)
        e.loops.append((head, done, len(e.cleanups)))
        e.stmt(node.body)
        e.loops.pop()
        e.b.jump(head, no_unroll(e))
    e.b.start(done)


@on(S.IfThenElse)
def _if(e: FunctionEmitter, node: S.IfThenElse) -> S.Stmt | None:
    condition = e.expr(node.condition)
    if condition.ref in ("true", "false"):
        return node.then_case if condition.ref == "true" else node.else_case
    then, done = e.b.label("then"), e.b.label("endif")
    other = e.b.label("else") if node.else_case is not None else done
    e.b.branch(condition, then, other)
    for label, case in ((then, node.then_case), (other, node.else_case)):
        if case is not None:
            e.b.start(label)
            with e.scope():
                e.stmt(case)
            e.b.jump(done)
    e.b.start(done)
    e.effect()
    return None


@on(S.AssertStmt)
def _assert(e: FunctionEmitter, node: S.AssertStmt) -> S.Stmt:
    condition = e.expr(node.condition)
    if condition.ref != "true":
        e.fail_if(condition, lambda: raise_error(e, node.message), inverted=True)
    return node.body


def raise_error(e: FunctionEmitter, message: PrimExpr) -> None:
    """Raises through tvm-ffi. A message that begins with `ValueError: ` names its kind."""
    kind, rest = error_of(message)
    module = e.context.module
    e.b.call("TVMFFIErrorSetRaisedFromCStr", "void", [module.string(kind), module.string(rest)])


# ---- memory ------------------------------------------------------------------------------------


@on(S.Allocate)
def _allocate(e: FunctionEmitter, node: S.Allocate) -> S.Stmt:
    type = memory_type(node.dtype)
    count = stack_size(node)
    if count is not None:
        align = max(VECTOR_ALIGNMENT, alignment(node.dtype))
        asked = count * size_of(type)
        bytes = -(-max(1, asked) // VECTOR_ALIGNMENT) * VECTOR_ALIGNMENT
        pointer = e.b.alloca("i8", bytes, align)
        e.stack[id(node.buffer_var)] = (asked, bytes)
    else:
        pointer = _workspace(e, node, type)
    e.bind(node.buffer_var, pointer)
    e.no_alias.add(id(node.buffer_var))
    return node.body


def _workspace(e: FunctionEmitter, node: S.Allocate, type: str) -> Value:
    """Memory from the heap, given back when the function is left or the scope ends; where its size
    is known at run time only and turns out small, memory on the stack."""
    size = Value("i64", str(size_of(type)))
    for extent in node.extents:
        size = e.b.mul(size, as_int64(e, e.index(extent)), " nsw")
    if all(isinstance(extent, IntImm) for extent in node.extents):
        pointer = _from_heap(e, node, size)
        e.cleanups.append(lambda: _free(e, pointer))
        e.effect()
        return pointer
    near = e.b.alloca("i8", STACK_LIMIT, max(VECTOR_ALIGNMENT, alignment(node.dtype)))
    is_small = e.b.compare("sle", size, Value("i64", str(STACK_LIMIT)))
    heap, done, before = e.b.label("heap"), e.b.label("allocated"), e.b.block
    e.b.branch(is_small, done, heap)
    e.b.start(heap)
    far, after = _from_heap(e, node, size), e.b.block
    e.b.jump(done)
    e.b.start(done)
    chosen = e.b.phi("ptr", [(near, before), (far, after)])
    e.cleanups.append(lambda: _free_if_large(e, chosen, is_small))
    e.effect()
    return chosen


def _from_heap(e: FunctionEmitter, node: S.Allocate, size: Value) -> Value:
    """So many bytes of workspace, or an error."""
    pointer = e.b.call("tilewright_workspace_alloc", "ptr", [size])
    missing = e.b.compare("eq", pointer, Value("ptr", "null"))
    text = f"MemoryError: `{e.name}` cannot allocate its workspace `{node.buffer_var.name}`"
    e.fail_if(missing, lambda: raise_error(e, StringImm(text)))
    return pointer


def _free(e: FunctionEmitter, pointer: Value) -> None:
    e.b.call("tilewright_workspace_free", "void", [pointer])


def _free_if_large(e: FunctionEmitter, pointer: Value, is_small: Value) -> None:
    free, done = e.b.label("free"), e.b.label("freed")
    e.b.branch(is_small, done, free)
    e.b.start(free)
    _free(e, pointer)
    e.b.jump(done)
    e.b.start(done)


@on(S.AllocateConst)
def _allocate_const(e: FunctionEmitter, node: S.AllocateConst) -> S.Stmt:
    stored = np.ascontiguousarray(node.array).view(np.uint8).tobytes()
    module = e.context.module
    name = f"{e.name}.const{len(module.globals)}"
    pointer = module.global_(
        name,
        f'private unnamed_addr constant [{len(stored)} x i8] c"{escaped(stored)}", '
        f"align {VECTOR_ALIGNMENT}",
    )
    e.bind(node.buffer_var, pointer)
    return node.body
