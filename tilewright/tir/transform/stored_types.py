"""Values of types that a target does not know, held in memory as plain integers."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from ...ir.functor import Rewriter, on
from ...ir.node import rebuild
from ...ir.type import PointerType, PrimType
from ...support.dtypes import dtype_of
from ..buffer import Buffer
from ..expr import BufferLoad, Let, Var, pointer
from ..stmt import Allocate, AllocateConst, BufferStore, LetStmt
from .base import retyped


class StoredTypes(Rewriter):
    """Rewrites what holds values: variables, buffers, memory, and accesses of these.

    `_stored` gives the type that is held for another; what computes is for derived classes.
    """

    @abstractmethod
    def _stored(self, dtype: str) -> str:
        """The type that is held for `dtype`."""

    @on(Var)
    def variable(self, var: Var) -> Var:
        """A name for bits, or the address of bits."""
        known = self._variables.get(id(var))
        if known is None:
            known = self._variables[id(var)] = (var, self._new_variable(var))
        return known[1]  # type: ignore[return-value]

    def _new_variable(self, var: Var) -> Var:
        kind = var.type_annotation
        if isinstance(kind, PointerType) and isinstance(kind.element_type, PrimType):
            stored = self._stored(kind.element_type.dtype)
            if stored != kind.element_type.dtype:
                address = pointer(stored, kind.storage_scope)
                return type(var)(var.name, "handle", type_annotation=address)
        stored = self._stored(var.dtype)
        return var if stored == var.dtype else var.copy_with_dtype(stored)

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Buffer:
        """A buffer of bits."""
        known = self._variables.get(id(buffer))
        if known is None:
            new = self.rewrite_children(buffer)
            stored = self._stored(buffer.dtype)
            new = new if stored == buffer.dtype else rebuild(new, {"dtype": stored})
            known = self._variables[id(buffer)] = (buffer, new)
        return known[1]  # type: ignore[return-value]

    @on(Allocate, AllocateConst)
    def allocate(self, node: Any) -> Any:
        """Memory for bits."""
        stored = self._stored(node.dtype)
        if stored == node.dtype:
            return self.rewrite_children(node)
        changes: dict[str, Any] = {}
        if isinstance(node, AllocateConst):
            changes["array"] = node.array.view(dtype_of(dtype_of(stored).element).numpy)
        return retyped(self, node, stored, **changes)

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> Any:
        """Bits are loaded and stored."""
        changes: dict[str, Any] = {
            "buffer": self.buffer(access.buffer),
            "indices": self.rewrite(access.indices),
            "predicate": self.rewrite(access.predicate),
        }
        if isinstance(access, BufferStore):
            changes["value"] = self.rewrite(access.value)
        return access.replace(**changes)

    @on(LetStmt, Let)
    def let(self, let: Any) -> Any:
        """A name for bits."""
        value = self.rewrite(let.value)
        return let.replace(var=self.variable(let.var), value=value, body=self.rewrite(let.body))
