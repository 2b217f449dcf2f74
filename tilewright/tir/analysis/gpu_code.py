"""Whether a kernel stays within the limits of a device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...ir.expr import IntImm
from ...ir.functor import Visitor, on
from ...ir.type import PointerType
from ...script.parser.arguments import explained
from ...support.dtypes import dtype_of
from ..expr import BufferLoad, IterVar
from ..function import PrimFunc
from ..stmt import Allocate, AttrStmt, BufferStore, For
from .arguments import looks_at

LIMITS = {
    "max_local_memory_per_block": "bytes of memory private to threads",
    "max_shared_memory_per_block": "bytes of shared memory",
    "max_threads_per_block": "threads of a block",
    "max_thread_x": "threads along x",
    "max_thread_y": "threads along y",
    "max_thread_z": "threads along z",
    "max_vthread": "virtual threads",
    "max_vector_bytes": "bytes of a vector loaded or stored",
    "max_kernels": "kernels",
}


class _Kernels(Visitor):
    """Counts what each launch uses."""

    def __init__(self) -> None:
        self.used: dict[str, int] = dict.fromkeys(LIMITS, 0)
        self.depth = 0
        self.now: dict[str, int] = {}
        self.seen: set[str] = set()

    def _most(self, limit: str, value: int) -> None:
        self.used[limit] = max(self.used[limit], value)

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> None:
        """A thread axis."""
        axis = node.node
        is_axis = node.attr_key in ("thread_extent", "virtual_thread")
        if not is_axis or not isinstance(axis, IterVar):
            self.visit_children(node)
            return
        self._axis(axis.thread_tag or "vthread", node.value, node.body)

    @on(For)
    def loop(self, loop: For) -> None:
        """A loop bound to a thread axis."""
        if loop.thread_binding is None:
            self.visit_children(loop)
        else:
            self._axis(loop.thread_binding.thread_tag, loop.extent, loop.body)

    def _axis(self, tag: str, extent: Any, body: Any) -> None:
        if not self.depth:
            self.now = {"threads": 1, "local": 0, "shared": 0}
            self.seen = set()
            self.used["max_kernels"] += 1
        count = extent.value if isinstance(extent, IntImm) else 1
        if tag not in self.seen:
            self.seen.add(tag)
            if tag.startswith("threadIdx."):
                self.now["threads"] *= count
                self._most(f"max_thread_{tag[-1]}", count)
                self._most("max_threads_per_block", self.now["threads"])
            elif tag.startswith("vthread"):
                self._most("max_vthread", count)
        self.depth += 1
        self.visit(body)
        self.depth -= 1

    @on(Allocate)
    def allocate(self, node: Allocate) -> None:
        """Memory of a scope."""
        kind = node.buffer_var.type_annotation
        scope = kind.storage_scope if isinstance(kind, PointerType) else ""
        size = dtype_of(node.dtype).bytes
        for extent in node.extents:
            size *= extent.value if isinstance(extent, IntImm) else 1
        name = "local" if scope == "local" else "shared" if scope.startswith("shared") else ""
        if name and self.depth:
            self.now[name] += size
            self._most(f"max_{name}_memory_per_block", self.now[name])
        self._vector(node.dtype)
        self.visit(node.body)

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> None:
        """A vector that is loaded."""
        self._vector(load.dtype)
        self.visit_children(load)

    @on(BufferStore)
    def store(self, store: BufferStore) -> None:
        """A vector that is stored."""
        self._vector(store.value.dtype)
        self.visit_children(store)

    def _vector(self, dtype: str) -> None:
        info = dtype_of(dtype)
        if info.lanes > 1:
            self._most("max_vector_bytes", info.bytes)


@looks_at(PrimFunc)
def gpu_usage(func: PrimFunc) -> dict[str, int]:
    """What the kernels of `func` use of each of `LIMITS`."""
    finder = _Kernels()
    finder.walk(func.body)
    return finder.used


@explained("tir.analysis.verify_gpu_code")
@looks_at(PrimFunc)
def verify_gpu_code(func: PrimFunc, constraints: Mapping[str, Any]) -> bool:
    """True if `func` uses at most what `constraints` allow of each of `LIMITS`."""
    used = gpu_usage(func)
    return all(used.get(name, 0) <= int(limit) for name, limit in constraints.items())
