"""What the compiler works on: a corpus of programs, its index expressions, kernels by number."""

from __future__ import annotations

import functools
import random
from typing import Any

from bench.schedules.corpus import CORPUS
from bench.schedules.steps import STEPS, Draw, Unsuitable
from tilewright import relax, te
from tilewright.codegen.llvm.modules import functions_of
from tilewright.driver.kernels import scheduled
from tilewright.ir.expr import BaseFunc, GlobalVar, PrimExpr, Range
from tilewright.ir.functor import post_order_visit
from tilewright.ir.module import IRModule
from tilewright.ir.node import Node
from tilewright.ir.transform import Sequential
from tilewright.support.errors import ScheduleError
from tilewright.target import Target
from tilewright.tir import (
    BufferLoad,
    BufferStore,
    For,
    IfThenElse,
    PrimFunc,
    Var,
    transform,
)
from tilewright.tir.schedule import Schedule


@functools.cache
def corpus() -> IRModule:
    """The programs that random schedules transform, as one module."""
    made = {GlobalVar(name): program.make() for name, program in CORPUS.items()}
    return IRModule(
        {var: func.with_attr("global_symbol", var.name_hint) for var, func in made.items()}
    )


@functools.cache
def scheduled_corpus() -> IRModule:
    """The same under the default schedules for this machine."""
    return scheduled(corpus(), Target("llvm"))


@functools.cache
def wandering_corpus(steps: int = 10) -> IRModule:
    """The same after random steps: indices that are cut, joined and turned many times."""
    made: dict[GlobalVar, BaseFunc] = {}
    for seed, (name, func) in enumerate(functions_of(corpus()).items()):
        sch = Schedule(func, seed=seed, error_render_level="none")
        draw = Draw(sch, random.Random(seed))
        for _ in range(steps):
            try:
                draw.rng.choice(STEPS)[1](draw)
            except (Unsuitable, ScheduleError):
                continue
        made[GlobalVar(name)] = sch.func
    return IRModule(made)


def nodes(*roots: object) -> int:
    """How many nodes lie under `roots`, shared ones counted once in each."""
    found: list[Node] = []
    for root in roots:
        post_order_visit(root, found.append)
    return len(found)


Indices = list[tuple[list[tuple[Var, Range]], list[PrimExpr]]]


def indices(module: IRModule) -> Indices:
    """Of each program its loops' variables with their ranges, and its indices and conditions as
    lowering writes them, before any is simplified."""
    passes = Sequential([
        transform.LowerInitBlock(), transform.PlanAndUpdateBufferAllocationLocation(),
        transform.ConvertBlocksToOpaque(), transform.CompactBufferAllocation(),
        transform.LowerMatchBuffer(), transform.LowerOpaqueBlock(), transform.FlattenBuffer(),
    ])  # fmt: skip
    flat = passes(module)
    return [_indices_of(func) for _, func in flat.items() if isinstance(func, PrimFunc)]


def _indices_of(func: PrimFunc) -> tuple[list[tuple[Var, Range]], list[PrimExpr]]:
    loops: list[tuple[Var, Range]] = []
    found: list[PrimExpr] = []

    def visit(node: Node) -> None:
        if isinstance(node, For):
            loops.append((node.loop_var, Range.from_min_extent(node.min, node.extent)))
        elif isinstance(node, (BufferLoad, BufferStore)):
            found.extend(node.indices)
        elif isinstance(node, IfThenElse):
            found.append(node.condition)

    post_order_visit(func.body, visit)
    return loops, found


def distinct_kernels(count: int) -> IRModule:
    """So many matrix products, no two of which add the same number at the end."""
    return IRModule({GlobalVar(f"k{n}"): _kernel(n) for n in range(count)})


def _kernel(index: int) -> PrimFunc:
    rows, terms, columns = 32, 48, 64
    a, b = te.placeholder((rows, terms), name="A"), te.placeholder((terms, columns), name="B")
    k = te.reduce_axis((0, terms), "k")
    product = te.compute(
        (rows, columns), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="product"
    )
    out = te.compute((rows, columns), lambda i, j: product[i, j] + float(index), name="out")
    made: PrimFunc = te.create_prim_func([a, b, out]).with_attr("global_symbol", f"k{index}")
    return made


def equal_calls(count: int) -> IRModule:
    """A graph that applies one matrix product so many times in a row."""
    builder = relax.BlockBuilder()
    shape: Any = (64, 64)
    info = relax.TensorStructInfo(shape, "float32")
    x, w = relax.Var("x", info), relax.Var("w", info)
    with builder.function("main", [x, w]):
        with builder.dataflow():
            value = x
            for _ in range(count):
                value = builder.emit(relax.op.matmul(value, w))
            out = builder.emit_output(value)
        builder.emit_func_output(out)
    return builder.get()
