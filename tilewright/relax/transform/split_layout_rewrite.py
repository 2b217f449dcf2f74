"""SplitLayoutRewritePreproc: kernels that change the layout of weights, apart from their use."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...ir.expr import GlobalVar, IntImm
from ...ir.functor import Rewriter, on, post_order_visit
from ...ir.module import IRModule
from ...ir.transform import Pass
from ...tir.buffer import Buffer
from ...tir.expr import BufferLoad
from ...tir.function import PrimFunc
from ...tir.stmt import Block, BlockRealize, BufferStore, Stmt, stmt_seq
from ...tir.stmt_functor import renew_defs
from ...tir.transform.remove_layout_blocks import MARK
from ..base import Expr, ShapeExpr
from ..expr import Call, Function, Tuple, TupleGetItem
from ..op.base import call_tir
from ..struct_info import TensorStructInfo
from ._calls import CallRewriter, is_call_of, without_uncalled_kernels
from ._pass import module_level
from .layout_free_buffers import ATTRIBUTE

DROPPED = (ATTRIBUTE, "global_symbol")


class _Unmarked(Rewriter):
    @on(Block)
    def block(self, block: Block) -> Block:
        """The block as any other."""
        made: Block = self.rewrite_children(block)
        kept = {key: value for key, value in made.annotations.items() if key != MARK}
        return made if len(kept) == len(made.annotations) else made.replace(annotations=kept)


class Split(NamedTuple):
    """A kernel in two: what changes layouts, and the rest; `moved` says which parameters (by
    place) the first one takes, and what it makes of each."""

    prepack: PrimFunc
    rest: PrimFunc
    moved: list[tuple[int, Buffer]]


def split_kernel(func: PrimFunc) -> Split | None:
    """`func` in two, or None if no loops of its own only change layouts of parameters."""
    root = func.body.block if isinstance(func.body, BlockRealize) else None
    if root is None or root.iter_vars:
        return None
    copies: dict[Buffer, Buffer] = {}
    first: list[Stmt] = []
    rest: list[Stmt] = []
    for stmt in getattr(root.body, "seq", (root.body,)):
        blocks = _blocks(stmt)
        is_marked = [bool(block.annotations.get(MARK)) for block in blocks]
        (first if any(is_marked) else rest).append(stmt)
        if any(is_marked):
            found = [_copied(block) for block in blocks]
            if not all(is_marked) or None in found:
                return None
            copies.update(pair for pair in found if pair is not None)
    if len(func.buffer_map) != len(func.params) or not all(map(_has_known_size, copies)):
        return None
    places = {func.buffer_map[p]: i for i, p in enumerate(func.params)}
    if not copies or not all(source in places for source in copies.values()):
        return None
    sources = set(copies.values())
    if not rest or len(sources) != len(copies) or any(_uses(stmt, sources) for stmt in rest):
        return None
    attrs = {key: value for key, value in func.attrs.items() if key not in DROPPED}
    kept = tuple(b for b in root.alloc_buffers if b not in copies)
    if len(kept) + len(copies) != len(root.alloc_buffers):
        return None

    def part(params: list[Any], statements: list[Stmt], own: tuple[Buffer, ...]) -> PrimFunc:
        body = root.replace(body=stmt_seq(*statements), alloc_buffers=own)
        made = PrimFunc(tuple(params), func.body.replace(block=body), attrs=attrs)
        done: PrimFunc = renew_defs(made.replace(body=_Unmarked().run(made.body)))
        return done

    written = {source: buffer for buffer, source in copies.items()}
    return Split(
        part([*written, *written.values()], first, ()),
        part([written.get(b, b) for b in places], rest, kept),
        [(places[source], buffer) for source, buffer in written.items()],
    )


def _uses(stmt: Stmt, buffers: set[Buffer]) -> bool:
    found: list[Buffer] = []
    post_order_visit(stmt, lambda node: found.append(node) if isinstance(node, Buffer) else None)
    return not buffers.isdisjoint(found)


def _has_known_size(buffer: Buffer) -> bool:
    return all(isinstance(extent, IntImm) for extent in buffer.shape)


def _blocks(stmt: Stmt) -> list[Block]:
    found: list[Block] = []
    post_order_visit(stmt, lambda node: found.append(node) if isinstance(node, Block) else None)
    return found


def _copied(block: Block) -> tuple[Buffer, Buffer] | None:
    """What a block writes, and the array that it copies."""
    store = block.body
    if not isinstance(store, BufferStore) or not isinstance(store.value, BufferLoad):
        return None
    return store.buffer, store.value.buffer


class _Splitter(CallRewriter):
    def __init__(self, mod: IRModule) -> None:
        super().__init__(mod)
        splits = ((var, split_kernel(f)) for var, f in mod.items() if isinstance(f, PrimFunc))
        self.splits = {var: split for var, split in splits if split is not None}

    def rewrite(self, call: Call) -> Expr | None:
        """f(x, w)   ->   f_prepacked(x, f_weight_prepack(w))"""
        kernel = call.args[0] if is_call_of(call, "call_tir") else None
        split = self.splits.get(kernel) if isinstance(kernel, GlobalVar) else None
        if split is None or not isinstance(call.args[1], Tuple):
            return None
        inputs = list(call.args[1].items)
        if any(place >= len(inputs) for place, _ in split.moved):
            return None
        name = kernel.name_hint  # type: ignore[union-attr]
        prepack = self.builder_.add_func(split.prepack, f"{name}_weight_prepack")
        rest = self.builder_.add_func(split.rest, f"{name}_prepacked")
        infos = [TensorStructInfo(ShapeExpr(b.shape), b.dtype) for _, b in split.moved]
        weights = [inputs[place] for place, _ in split.moved]
        made = call_tir(prepack, weights, infos[0] if len(infos) == 1 else infos)
        packed = self.builder_.emit(made)
        for index, (place, _) in enumerate(split.moved):
            inputs[place] = packed if len(infos) == 1 else TupleGetItem(packed, index)
        args = (rest, Tuple(tuple(inputs)), *call.args[2:])
        return self.builder_.emit(call.replace(args=args))


def SplitLayoutRewritePreproc() -> Pass:
    """f(x, w) of a kernel that first changes the layout of w
    ->   f_prepacked(x, f_weight_prepack(w))

    For calls of kernels in which loops of their own change the layout of parameters, in blocks
    with the annotation `meta_schedule.layout_rewrite_preproc`. What takes weights alone can then
    be computed ahead, as by `LiftTransformParams` or `FoldConstant`.
    """

    def transform(mod: IRModule) -> IRModule:
        splitter = _Splitter(mod)
        if not splitter.splits:
            return mod
        for var, func in mod.items():
            if isinstance(func, Function):
                splitter.builder_.update_func(var, splitter.visit_expr(func))
        return without_uncalled_kernels(splitter.builder_.get())

    return module_level("SplitLayoutRewritePreproc", transform)
