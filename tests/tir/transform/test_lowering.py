"""Every pass of the pipeline keeps what a program computes; what is left is flat."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilewright as tw
from tilewright import tir
from tilewright.ir import IRModule
from tilewright.ir.functor import post_order_visit
from tilewright.ir.structural import assert_structural_equal
from tilewright.support.errors import ArgumentError
from tilewright.tir import interpreter
from tilewright.tir.pipeline import default_passes, lower
from tilewright.tir.transform.make_unpacked_api import kernel_params

sys.path.insert(0, str(Path(__file__).parents[1]))

from programs import PROGRAMS, Program


def outputs(program: Program, func: tir.PrimFunc) -> list[np.ndarray[Any, Any]]:
    arrays = program.arrays()
    interpreter.run(func, *arrays)
    return arrays[-program.results :]


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_pass_keeps_the_result(name: str) -> None:
    program = PROGRAMS[name]()
    expected = outputs(program, program.func)
    mod = IRModule({"main": program.func})
    for step in default_passes(packed=False)[:-1]:
        mod = step(mod)
        for made, wanted in zip(outputs(program, mod["main"]), expected, strict=True):
            np.testing.assert_allclose(made, wanted, rtol=1e-5, err_msg=step.info.name)


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_left_is_flat(name: str) -> None:
    mod = lower(PROGRAMS[name]().func)
    kernel = mod["main"]
    assert not kernel.buffer_map
    pointers = [p for p in kernel.params if p.dtype == "handle"]
    assert list(kernel.params[: len(pointers)]) == pointers

    def look(node: Any) -> None:
        assert not isinstance(node, (tir.Block, tir.BlockRealize)), node
        if isinstance(node, tir.For):
            assert node.kind in (tir.ForKind.SERIAL, tir.ForKind.PARALLEL), node
        if isinstance(node, (tir.BufferLoad, tir.BufferStore)):
            assert len(node.indices) == 1, node

    post_order_visit(kernel.body, look)
    assert "__tvm_ffi_main" in mod


def test_main_part_of_a_tiled_loop_has_no_condition() -> None:
    kernel = lower(PROGRAMS["elementwise_27"]().func)["main"]
    masked = []

    def look(node: Any) -> None:
        assert not isinstance(node, tir.IfThenElse)
        if isinstance(node, tir.BufferStore):
            masked.append(node.predicate is not None)

    post_order_visit(kernel.body, look)
    assert masked == [False, True]


def test_accumulators_have_constant_places() -> None:
    kernel = lower(PROGRAMS["matmul_even"]().func)["main"]
    places = set()

    def look(node: Any) -> None:
        if isinstance(node, tir.BufferStore) and node.buffer.scope() == "local":
            (index,) = node.indices
            assert isinstance(index, tir.Ramp) and isinstance(index.base, tir.IntImm)
            places.add(index.base.value)

    post_order_visit(kernel.body, look)
    assert places == {0, 8, 16, 24}


def test_buffers_shrink_to_what_is_used() -> None:
    kernel = lower(PROGRAMS["two_stages"]().func)["main"]
    sizes = []

    def look(node: Any) -> None:
        if isinstance(node, tir.Allocate):
            sizes.append(node.extents[0].value)

    post_order_visit(kernel.body, look)
    assert sizes == [7 * 8]


def test_shape_variables_become_parameters() -> None:
    func = PROGRAMS["symbolic_elementwise_3"]().func
    assert [param.name for param in kernel_params(func)] == ["A", "out", "n"]


def test_the_pipeline_is_found_by_its_name_and_by_the_target() -> None:
    program = PROGRAMS["two_stages"]()
    mod = IRModule({"main": program.func.with_attr("global_symbol", "main")})
    named, of_target = tir.get_tir_pipeline("default"), tir.get_default_tir_pipeline("llvm")
    assert [p.info.name for p in named.passes] == [p.info.name for p in of_target.passes]
    assert_structural_equal(named(mod), lower(mod))
    assert_structural_equal(of_target(mod), lower(mod))
    built = tw.build(program.func, "llvm", pipeline=of_target)
    arrays = program.arrays()
    tensors = [tw.nd.array(a) for a in arrays]
    built(*tensors)
    np.testing.assert_allclose(tensors[-1].numpy(), outputs(program, program.func)[-1], rtol=1e-5)
    with pytest.raises(ArgumentError, match="unknown pipeline 'mine'"):
        tir.get_tir_pipeline("mine")
