"""Where host code ends and device code begins."""

from __future__ import annotations

from ...ir.expr import IntImm
from ...ir.functor import Rewriter, on
from ...target import Target
from ..expr import StringImm
from ..function import PrimFunc
from ..stmt import AttrStmt, Stmt
from .base import factory

STARTS = frozenset(("thread_extent", "pipeline_exec_scope", "device_scope"))


class _Annotate(Rewriter):
    def __init__(self, target: Target) -> None:
        self.target = target

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> Stmt:
        """The outermost launch of threads begins a region of the device."""
        if node.attr_key in STARTS:
            return AttrStmt(self.target, "target", IntImm("int32", 0), node)
        return self.rewrite_children(node)


@factory
def AnnotateDeviceRegions(func: PrimFunc) -> PrimFunc:
    """launch threads: f   ->   attr(target): launch threads: f, in functions whose target has a
    host"""
    given = func.attrs.get("target")
    target = None if given is None else Target(given)
    if target is None or target.host is None:
        return func
    return func.replace(body=_Annotate(target.without_host()).run(func.body))


@factory
def DecorateDeviceScope(func: PrimFunc) -> PrimFunc:
    """f   ->   attr(device_scope): f: all of the function runs on the device"""
    scope = AttrStmt(StringImm(""), "device_scope", IntImm("int32", 0), func.body)
    return func.replace(body=scope)
