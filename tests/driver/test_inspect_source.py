"""The code of compiled kernels as text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import tilewright as tw
from tilewright import relax
from tilewright.ir.module import IRModule
from tilewright.script.parser import from_source
from tilewright.support.errors import ArgumentError
from tilewright.support.knobs import CACHE

DOUBLE = """
@T.prim_func
def double(A: T.Buffer((16,), "float32"), B: T.Buffer((16,), "float32")):
    for i in range(16):
        with T.block("B"):
            v = T.axis.spatial(16, i)
            B[v] = A[v] * T.float32(2)
"""
TARGET = "llvm -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64-v3"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty cache for each test."""
    with CACHE.set(str(tmp_path)):
        yield tmp_path


def test_llvm_ir_and_assembly_of_a_kernel() -> None:
    lib = tw.build(from_source(DOUBLE), TARGET)
    assert "define" in lib.inspect_source() and "fmul" in lib.inspect_source("ll")
    assert "vmulps" in lib.inspect_source("asm") or "vaddps" in lib.inspect_source("asm")


def test_a_kernel_from_the_cache_is_generated_anew() -> None:
    func = from_source(DOUBLE)
    first = tw.build(func, TARGET).inspect_source("asm")
    again = tw.build(func, TARGET)
    assert again.lowered is None
    assert again.inspect_source("asm") == first
    assert again.lowered is not None


def test_the_runtime_module_shows_the_same() -> None:
    lib = tw.build(from_source(DOUBLE), "llvm")
    assert lib.mod.inspect_source("ll") == lib.inspect_source("ll")


def test_unknown_formats_are_refused() -> None:
    with pytest.raises(ArgumentError, match="no source in format 'ptx'"):
        tw.build(from_source(DOUBLE), TARGET).inspect_source("ptx")


def graph() -> IRModule:
    bb = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorStructInfo((4,), "float32"))
    with bb.function("main", [x]):
        with bb.dataflow():
            out = bb.emit_output(relax.op.add(x, x))
        bb.emit_func_output(out)
    return bb.get()


def test_a_graph_program_from_the_cache_says_what_to_do() -> None:
    assert "define" in tw.compile(graph(), "llvm").inspect_source()
    with pytest.raises(ArgumentError, match="TILEWRIGHT_CACHE=off"):
        tw.compile(graph(), "llvm").inspect_source()
