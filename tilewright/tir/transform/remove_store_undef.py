"""Stores of values that are undefined, taken away."""

from __future__ import annotations

from ...ir.functor import Rewriter, Visitor, on, post_order_visit
from ...support.errors import CompileError
from ..expr import BufferLoad, Call, Let, Var
from ..function import PrimFunc
from ..stmt import BufferStore, LetStmt, Stmt
from .base import factory
from .simplify import NOTHING


def _is_undef(node: object) -> bool:
    return isinstance(node, Call) and getattr(node.op, "name", "") == "tir.undef"


class _Undefined(Visitor):
    """Names of undefined values, and stores of them."""

    def __init__(self) -> None:
        self.names: set[Var] = set()
        self.stores: set[int] = set()

    def _depends(self, value: object) -> bool:
        found: list[object] = []

        def look(node: object) -> None:
            if _is_undef(node) or (isinstance(node, Var) and node in self.names):
                found.append(node)

        post_order_visit(value, look)
        return bool(found)

    def _require_defined(self, access: object) -> None:
        if isinstance(access, (BufferLoad, BufferStore)) and self._depends(access.indices):
            raise CompileError(f"an index of `{access.buffer.name}` is undefined", access.span)

    @on(LetStmt, Let)
    def let(self, let: LetStmt | Let) -> None:
        """A name for something undefined is undefined."""
        if self._depends(let.value):
            self.names.add(let.var)
        self.visit(let.body)

    @on(BufferStore)
    def store(self, store: BufferStore) -> None:
        """An undefined index is a mistake; an undefined value is nothing."""
        self._require_defined(store)
        post_order_visit(store.value, self._require_defined)
        if self._depends(store.value):
            self.stores.add(id(store))


class _Remove(Rewriter):
    def __init__(self, found: _Undefined) -> None:
        self.found = found

    @on(BufferStore)
    def store(self, store: BufferStore) -> Stmt:
        """A[i] = undef   ->   nothing"""
        return NOTHING if id(store) in self.found.stores else store

    @on(LetStmt)
    def let(self, let: LetStmt) -> Stmt:
        """The name of an undefined value goes."""
        body: Stmt = self.rewrite(let.body)
        return body if let.var in self.found.names else let.replace(body=body)


@factory
def RemoveStoreUndef(func: PrimFunc) -> PrimFunc:
    """A[i] = undef()   ->   nothing; raises `CompileError` where undef is used otherwise."""
    found = _Undefined()
    found.walk(func.body)
    body = _Remove(found).run(func.body)
    left: list[object] = []
    post_order_visit(body, lambda n: left.append(n) if _is_undef(n) else None)
    if left:
        raise CompileError(f"an undefined value is used other than to be stored: {left[0]}")
    return func.replace(body=body)
