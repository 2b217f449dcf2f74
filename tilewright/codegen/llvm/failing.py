"""Which compiled functions can fail: those return a status."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tilewright.ir.expr import GlobalVar, IntImm, PrimExpr
from tilewright.ir.node import Node, children
from tilewright.ir.type import PointerType
from tilewright.support.dtypes import dtype_of
from tilewright.support.errors import RuntimeFailure
from tilewright.tir.expr import BinaryOpExpr, BufferLoad, Call, StringImm
from tilewright.tir.function import PrimFunc
from tilewright.tir.stmt import Allocate, AssertStmt, BufferStore

FAILING = frozenset(
    (
        "tir.tvm_call_packed",
        "tir.tvm_call_cpacked",
        "tir.tvm_call_packed_lowered",
        "tir.tvm_throw_last_error",
    )
)


DEFAULT_KIND = RuntimeFailure.__name__
_KIND = re.compile(r"([A-Z]\w*(?:Error|Exception)): ?")
STACK_LIMIT, LOCAL_LIMIT = 4096, 65536  # bytes of one allocation


def error_of(message: PrimExpr) -> tuple[str, str]:
    """The kind and the text of an assertion's error: `ValueError: ` in front names the kind."""
    text = message.value if isinstance(message, StringImm) else "assertion failed"
    match = _KIND.match(text)
    return (match.group(1), text[match.end() :]) if match else (DEFAULT_KIND, text)


def failing_functions(functions: Mapping[str, PrimFunc]) -> frozenset[str]:
    """The names of those that return a status: see `may_fail`; callers of such ones as well."""
    failing = {name for name, func in functions.items() if may_fail(func)}
    callers: dict[str, list[str]] = {}
    for name, func in functions.items():
        for callee in callees(func):
            callers.setdefault(callee, []).append(name)
    pending = list(failing)
    while pending:
        for name in callers.get(pending.pop(), ()):
            if name not in failing:
                failing.add(name)
                pending.append(name)
    return frozenset(failing)


def callees(func: PrimFunc) -> Iterator[str]:
    """The symbols that a function calls."""
    for node in _nodes(func.body):
        if isinstance(node, Call):
            if isinstance(node.op, GlobalVar):
                yield node.op.name_hint
            elif node.op.name in ("tir.call_extern", "tir.call_pure_extern"):
                head = node.args[0]
                if isinstance(head, StringImm):
                    yield head.value


def _nodes(body: Node) -> Iterator[Node]:
    """Every node once, but for what only computes where an element lies."""
    pending = [body]
    seen: set[int] = set()
    while pending:
        node = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, BufferStore):
            pending.append(node.value)
        elif isinstance(node, BinaryOpExpr):
            pending += (node.a, node.b)
        elif not isinstance(node, BufferLoad):
            pending.extend(children(node))


def may_fail(func: PrimFunc) -> bool:
    """Whether the compiled function returns a status: it asserts, takes memory from the heap or
    calls packed functions."""
    return any(_fails(node) for node in _nodes(func.body))


def _fails(node: Node) -> bool:
    if isinstance(node, Allocate):
        return stack_size(node) is None
    if isinstance(node, Call):
        return getattr(node.op, "name", "") in FAILING
    return isinstance(node, AssertStmt)


def stack_size(node: Allocate) -> int | None:
    """The number of elements of an allocation that is put on the stack, else `None`."""
    count = 1
    for extent in node.extents:
        if not isinstance(extent, IntImm):
            return None
        count *= extent.value
    info = dtype_of(node.dtype)
    kind = node.buffer_var.type_annotation
    scope = kind.storage_scope if isinstance(kind, PointerType) else ""
    limit = LOCAL_LIMIT if scope.startswith("local") else STACK_LIMIT
    return count if count * max(1, info.bytes) <= limit else None
