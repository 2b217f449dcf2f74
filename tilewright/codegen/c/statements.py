"""Loops, branches, allocations: the handlers of statement nodes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tilewright.ir.expr import IntImm, PrimExpr
from tilewright.support.dtypes import dtype_of
from tilewright.support.errors import CompileError
from tilewright.tir import stmt as S
from tilewright.tir.expr import StringImm, Var

from ..llvm.failing import error_of, stack_size
from ..threads import refuse_threads
from .emitter import STATEMENTS, FunctionEmitter, Value
from .expressions import quoted
from .memory import pointer_type
from .types import float_literal, int_literal, memory_type, value_type

Handler = Callable[..., "S.Stmt | None"]
_PER_LINE = 12


def on(*classes: type) -> Callable[[Handler], Handler]:
    """Enters a handler for statement classes into the table."""

    def enter(handler: Handler) -> Handler:
        for cls in classes:
            STATEMENTS[cls] = handler
        return handler

    return enter


@on(S.SeqStmt)
def _seq(e: FunctionEmitter, node: S.SeqStmt) -> S.Stmt | None:
    for part in node.seq[:-1]:
        e.stmt(part)
    return node.seq[-1] if node.seq else None


@on(S.Evaluate)
def _evaluate(e: FunctionEmitter, node: S.Evaluate) -> None:
    if not isinstance(node.value, (IntImm, StringImm)):
        e.expr(node.value)


@on(S.LetStmt)
def _let(e: FunctionEmitter, node: S.LetStmt) -> S.Stmt:
    value = e.expr(node.value)
    if dtype_of(node.var.dtype).is_handle:
        e.bind(node.var, _pointer(e, node.var, value.text))
    else:
        e.bind(node.var, e.temp(value, node.var.name))
    return node.body


def _pointer(e: FunctionEmitter, var: Var, text: str) -> Value:
    """A variable that holds an address."""
    kind, name = pointer_type(var), e.names.new(var.name)
    e.line(f"{kind}const {name} = ({kind.rstrip()}){text};")
    return Value(name, "handle")


@on(S.AttrStmt, S.DeclBuffer)
def _transparent(e: FunctionEmitter, node: S.AttrStmt | S.DeclBuffer) -> S.Stmt:
    if isinstance(node, S.AttrStmt):
        refuse_threads(node, e.name)
    return node.body


# ---- control flow ------------------------------------------------------------------------------


@on(S.For)
def _for(e: FunctionEmitter, node: S.For) -> None:
    if node.kind not in (S.ForKind.SERIAL, S.ForKind.PARALLEL):
        raise CompileError(
            f"a loop over `{node.loop_var.name}` is still {node.kind.name}; code generation "
            "takes serial and parallel loops",
            node.span,
        )
    kind = value_type(node.loop_var.dtype)
    begin = e.index(node.min)
    extent = e.index(node.extent)
    end = extent.text
    if not (isinstance(node.min, IntImm) and node.min.value == 0):
        begin = _once(e, node.min, begin, "begin")
        end = _sum(node, begin.text, end)
    if not (isinstance(node.min, IntImm) and isinstance(node.extent, IntImm)):
        end = e.temp(Value(end, node.loop_var.dtype), "end").text
    name = e.names.new(node.loop_var.name)
    e.bind(node.loop_var, Value(name, node.loop_var.dtype))
    with e.block(f"for ({kind} {name} = {begin.text}; {name} < {end}; ++{name})"):
        e.loops.append(len(e.cleanups))
        e.stmt(node.body)
        e.loops.pop()


def _once(e: FunctionEmitter, node: PrimExpr, value: Value, name: str) -> Value:
    return value if isinstance(node, (IntImm, Var)) else e.temp(value, name)


def _sum(node: S.For, begin: str, extent: str) -> str:
    if isinstance(node.min, IntImm) and isinstance(node.extent, IntImm):
        return int_literal(node.min.value + node.extent.value, node.loop_var.dtype)
    return f"{begin} + {extent}"


@on(S.While)
def _while(e: FunctionEmitter, node: S.While) -> None:
    with e.block("while (true)"):
        condition = e.expr(node.condition)
        e.line(f"if (!{condition.text}) break;")
        e.loops.append(len(e.cleanups))
        e.stmt(node.body)
        e.loops.pop()


@on(S.IfThenElse)
def _if(e: FunctionEmitter, node: S.IfThenElse) -> None:
    condition = e.expr(node.condition).text
    test = condition if condition.startswith("(") and condition.endswith(")") else f"({condition})"
    test = test if _balanced(test) else f"({test})"
    with e.block(f"if {test}", "}" if node.else_case is None else "} else {"):
        e.stmt(node.then_case)
    if node.else_case is not None:
        e.depth += 1
        with e.scope():
            e.stmt(node.else_case)
        e.depth -= 1
        e.line("}")


def _balanced(text: str) -> bool:
    """Whether the first parenthesis closes at the end."""
    depth = 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return at == len(text) - 1
    return False


@on(S.AssertStmt)
def _assert(e: FunctionEmitter, node: S.AssertStmt) -> S.Stmt:
    condition = e.expr(node.condition).text
    if condition != "true":
        e.fail_if(f"!{condition}", raising(e, node.message))
    return node.body


def raising(e: FunctionEmitter, message: PrimExpr) -> str:
    """The statement that raises through tvm-ffi. `ValueError: ` in front names the error's kind."""
    kind, rest = error_of(message)
    e.context.helper("raise", "void")
    return f"TVMFFIErrorSetRaisedFromCStr({quoted(kind)}, {quoted(rest)});"


# ---- memory ------------------------------------------------------------------------------------


@on(S.Allocate)
def _allocate(e: FunctionEmitter, node: S.Allocate) -> S.Stmt:
    info = dtype_of(node.dtype)
    count = stack_size(node)
    if count is not None:
        name = e.names.new(node.buffer_var.name)
        kind = memory_type(info.element)
        e.line(f"TW_ALIGNED {kind} {name}[{max(1, count * info.lanes)}];")
        e.bind(node.buffer_var, _view(e, node.buffer_var, name, kind))
    else:
        e.bind(node.buffer_var, _workspace(e, node))
    return node.body


def _view(e: FunctionEmitter, var: Var, name: str, kind: str) -> Value:
    """An array as the pointer that `var` is declared as."""
    if pointer_type(var) in (f"{kind} *", "void *"):
        return Value(name, "handle")
    return _pointer(e, var, name)


def _workspace(e: FunctionEmitter, node: S.Allocate) -> Value:
    """Memory from the heap, given back when the function is left or the scope ends."""
    e.context.helper("workspace", "void")
    info = dtype_of(node.dtype)
    size = f"(int64_t)sizeof({memory_type(info.element).strip()}) * {info.lanes}"
    for extent in node.extents:
        size += f" * {e.index(extent).text}"
    pointer = _pointer(e, node.buffer_var, f"tw_allocate({size})")
    text = f"MemoryError: `{e.name}` cannot allocate its workspace `{node.buffer_var.name}`"
    e.fail_if(f"{pointer.text} == NULL", raising(e, StringImm(text)))
    e.cleanups.append(f"tw_free((void *){pointer.text});")
    return pointer


@on(S.AllocateConst)
def _allocate_const(e: FunctionEmitter, node: S.AllocateConst) -> S.Stmt:
    element = dtype_of(node.dtype).element
    kind = memory_type(element)
    items = _literals(np.ascontiguousarray(node.array).reshape(-1), kind)
    name = f"tw_constant{len(e.context.constants)}"
    rows = [", ".join(items[n : n + _PER_LINE]) for n in range(0, len(items), _PER_LINE)]
    body = ",\n  ".join(rows)
    e.context.constants.append(
        f"static TW_ALIGNED const {kind} {name}[{len(items)}] = {{\n  {body}\n}};\n"
    )
    e.bind(node.buffer_var, _pointer(e, node.buffer_var, name))
    return node.body


def _literals(data: np.ndarray[tuple[int], np.dtype[np.generic]], kind: str) -> list[str]:
    """The elements as memory of type `kind` holds them."""
    if kind in ("float", "double"):
        dtype = "float32" if kind == "float" else "float64"
        return [float_literal(float(v), dtype) for v in data.tolist()] or ["0"]
    if kind.startswith("uint") and data.dtype.kind not in "iub":
        data = data.view(f"uint{8 * data.dtype.itemsize}")  # the bits of narrow floats
    dtype = kind.removesuffix("_t")
    return [int_literal(int(v), dtype) for v in data.tolist()] or ["0"]
