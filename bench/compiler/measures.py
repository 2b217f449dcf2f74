"""The measurements, a function a group. Budgets marked * are those of the project's design; the
others hold what was reached."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

from tilewright import compile as compile_
from tilewright.codegen.llvm.compile import compile_module
from tilewright.codegen.llvm.modules import emit_modules, functions_of
from tilewright.driver.kernels import lowered, machine_of, scheduled
from tilewright.ir import structural_equal, structural_hash
from tilewright.ir.module import IRModule
from tilewright.script.parser import from_source
from tilewright.support.knobs import CACHE
from tilewright.target import Target
from tilewright.tir import Add, PrimFunc, Var
from tilewright.tir.arith import Analyzer
from tilewright.tir.schedule import Schedule

from .. import zoo
from ..compile_time import measured
from .measuring import Effort, Figure, group
from .primitives import PRIMITIVES
from .programs import (
    Indices,
    corpus,
    distinct_kernels,
    equal_calls,
    indices,
    nodes,
    scheduled_corpus,
    wandering_corpus,
)

TIMES = 20_000
MICRO, MILLI = 1e6, 1e3


def _loops(module: IRModule) -> list[PrimFunc]:
    return list(functions_of(module).values())


@group
def node(effort: Effort) -> Iterator[Figure]:
    """Building a node and reading a field, in a loop whose own time is taken off."""
    a, b = Var("a", "int32"), Var("b", "int32")
    made = Add(a, b)

    def build() -> None:
        for _ in range(TIMES):
            Add(a, b)

    def read() -> None:
        for _ in range(TIMES):
            _ = made.a

    def nothing() -> None:
        for _ in range(TIMES):
            pass

    empty = effort.seconds(nothing)
    for name, run, budget in (("construction *", build, 0.25), ("field read *", read, 0.04)):
        each = max(0.0, effort.seconds(run) - empty) / TIMES
        yield Figure("node", name, each * MICRO, "us", budget, TIMES)


@group
def structure(effort: Effort) -> Iterator[Figure]:
    """Comparing and hashing the corpus, each program with a copy that shares nothing."""
    from tilewright.ir.json import load_json, save_json

    funcs = _loops(scheduled_corpus())
    copies = [load_json(save_json(func)) for func in funcs]
    count = nodes(*funcs)

    def equal() -> None:
        if not all(map(structural_equal, funcs, copies)):
            raise ValueError("a copy differs")

    def hashes() -> None:
        for func in funcs:
            structural_hash(func)

    yield Figure(
        "structure", "equality, a node", effort.seconds(equal) / count * MICRO, "us", 4, count
    )
    yield Figure(
        "structure", "hash, a node", effort.seconds(hashes) / count * MICRO, "us", 4, count
    )


@group
def arithmetic(effort: Effort) -> Iterator[Figure]:
    """Simplifying index expressions of the corpus as lowering writes them."""
    for name, module in (
        ("default schedules", scheduled_corpus()),
        ("random schedules", wandering_corpus()),
    ):
        found = indices(module)
        count = sum(nodes(*exprs) for _, exprs in found)
        each = effort.seconds(functools.partial(_simplify, found)) / count * MICRO
        yield Figure("arithmetic", f"simplification, a node, {name} *", each, "us", 5, count)


def _simplify(found: Indices) -> None:
    for loops, exprs in found:
        analyzer = Analyzer()
        for var, extent in loops:
            analyzer.bind(var, extent)
        for expr in exprs:
            analyzer.simplify(expr)


@group
def script(effort: Effort) -> Iterator[Figure]:
    """Printing the scheduled corpus, and reading it back."""
    funcs = _loops(scheduled_corpus())
    texts = [func.script() for func in funcs]
    lines = sum(text.count("\n") for text in texts)

    def prints() -> None:
        for func in funcs:
            func.script()

    def parses() -> None:
        for text in texts:
            from_source(text)

    yield Figure("script", "print, a line", effort.seconds(prints) / lines * MICRO, "us", 60, lines)
    yield Figure(
        "script", "parse, a line", effort.seconds(parses) / lines * MICRO, "us", 150, lines
    )


@group
def schedule(effort: Effort) -> Iterator[Figure]:
    """Each primitive once, on a matrix product with a bias and a rectifier, or a convolution."""
    for name, (program, prepare) in PRIMITIVES.items():
        func = functions_of(corpus())[program]

        def fresh(func: PrimFunc = func, prepare: Any = prepare) -> Callable[[], Any]:
            made: Callable[[], Any] = prepare(Schedule(func, seed=0))
            return made

        yield Figure("schedule", name, effort.prepared(fresh) * MILLI, "ms", 2)


@group
def kernel(effort: Effort) -> Iterator[Figure]:
    """What a kernel of the corpus takes on its way to object code, step by step."""
    target = Target("llvm")
    ready = scheduled_corpus()
    flat = lowered(ready, target, "default")
    texts = emit_modules(functions_of(flat), target)
    count = len(_loops(ready))

    def objects() -> None:
        for text in texts:
            compile_module(text, machine_of(target), cache=False)

    steps: tuple[tuple[str, Callable[[], Any], float], ...] = (
        ("default schedule", lambda: scheduled(corpus(), target), 15),
        ("lowering", lambda: lowered(ready, target, "default"), 30),
        ("LLVM IR", lambda: emit_modules(functions_of(flat), target), 6),
        ("LLVM", objects, 50),
    )
    for name, run, budget in steps:
        yield Figure("kernel", name, effort.seconds(run) / count * MILLI, "ms", budget, count)


@group
def growth(effort: Effort) -> Iterator[Figure]:
    """The time of four times as many distinct kernels; what many equal ones come to."""
    few = effort.kernels // 4

    def compiling(module: IRModule) -> Callable[[], Any]:
        return lambda: compile_(module, "llvm")

    with CACHE.set("off"):
        small = effort.seconds(compiling(distinct_kernels(few)))
        large = effort.seconds(compiling(distinct_kernels(effort.kernels)))
        yield Figure(
            "growth", "time of n distinct kernels, over 4 times that of n/4 *", large / (4 * small),
            "", 1.15, effort.kernels,
        )  # fmt: skip
        calls = compile_(equal_calls(effort.kernels), "llvm")
        yield Figure(
            "growth", "kernels of n equal calls *", len(calls.objects), "", 1, effort.kernels
        )


IMPORT = (
    "import time; start = time.process_time(); import tilewright, tilewright.ffi; "
    "print(time.process_time() - start)"
)


@group
def package(effort: Effort) -> Iterator[Figure]:
    """`import tilewright` in a process of its own."""
    runs = [
        float(
            subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, check=True).stdout
        )
        for _ in range(effort.repeat)
    ]
    yield Figure("package", "import *", min(runs), "s", 0.3)


@group
def model(effort: Effort) -> Iterator[Figure]:
    """Reading, compiling and loading ResNet-50: processor time of all cores."""
    file = str(zoo.path("light_resnet50"))
    cold, warm = measured("resnet50", file, min(effort.repeat, 3))
    yield Figure("model", "ResNet-50, cold *", cold.cpu, "s", 10, cold.kernels)
    yield Figure("model", "ResNet-50, from the cache *", warm.cpu, "s", 0.5, warm.kernels)
