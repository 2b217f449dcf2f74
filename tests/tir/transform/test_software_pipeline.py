"""InjectSoftwarePipeline: iterations that overlap compute what they computed in order."""

from __future__ import annotations

import numpy as np
import pytest

from tilewright.ir import IRModule
from tilewright.ir.expr import IntImm
from tilewright.ir.functor import post_order_visit
from tilewright.ir.structural import assert_structural_equal
from tilewright.script import from_source
from tilewright.support.errors import ArgumentError
from tilewright.tir import AttrStmt, Block, PrimFunc, interpreter
from tilewright.tir import transform as T

from .cases import nodes

SIMPLE = """
@T.prim_func
def main(A: T.Buffer((16, 16), "float32"), C: T.Buffer((16, 16), "float32")):
    for tx in T.thread_binding(0, 16, thread="threadIdx.x"):
        for i in T.serial(0, 16, annotations={
            "software_pipeline_stage": [0, STAGE], "software_pipeline_order": [0, 1]
        }):
            with T.block("compute"):
                T.reads(A[tx, i])
                T.writes(C[tx, i])
                B = T.alloc_buffer((16, 1), scope="shared")
                with T.block(""):
                    T.reads(A[tx, i])
                    T.writes(B[tx, 0])
                    B[tx, 0] = A[tx, i] * T.float32(2)
                with T.block(""):
                    T.reads(B[tx, 0])
                    T.writes(C[tx, i])
                    C[tx, i] = B[tx, 0] + T.float32(1)
"""
PIPELINED = """
@T.prim_func
def main(A: T.Buffer((16, 16), "float32"), C: T.Buffer((16, 16), "float32")):
    for tx in T.thread_binding(0, 16, thread="threadIdx.x"):
        with T.block(""):
            T.reads(A[tx, 0:16])
            T.writes(C[tx, 0:16])
            B = T.alloc_buffer((2, 16, 1), scope="shared")
            with T.block(""):
                T.reads(A[tx, 0])
                T.writes(B[0, tx, 0])
                B[0, tx, 0] = A[tx, 0] * T.float32(2)
            with T.block(""):
                T.reads(A[tx, 1:16], B[0:2, tx, 0])
                T.writes(B[0:2, tx, 0], C[tx, 0:15])
                for i in range(15):
                    with T.block(""):
                        T.reads(A[tx, i + 1])
                        T.writes(B[(i + 1) % 2, tx, 0])
                        B[(i + 1) % 2, tx, 0] = A[tx, i + 1] * T.float32(2)
                    with T.block(""):
                        T.reads(B[i % 2, tx, 0])
                        T.writes(C[tx, i])
                        C[tx, i] = B[i % 2, tx, 0] + T.float32(1)
            with T.block(""):
                T.reads(B[1, tx, 0])
                T.writes(C[tx, 15])
                C[tx, 15] = B[1, tx, 0] + T.float32(1)
"""


def pipelined(text: str) -> PrimFunc:
    made = T.InjectSoftwarePipeline()(IRModule({"main": from_source(text)}))["main"]
    assert isinstance(made, PrimFunc)
    return made


def test_two_stages() -> None:
    made = pipelined(SIMPLE.replace("STAGE", "1"))
    assert_structural_equal(made, from_source(PIPELINED))


def run(func: PrimFunc) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    a = np.random.default_rng(0).integers(0, 99, (16, 16)).astype("float32")
    c = np.full((16, 16), 7, "float32")
    interpreter.run(func, a, c)
    np.testing.assert_array_equal(c, a * 2 + 1)
    return c


@pytest.mark.parametrize("stage", [0, 1, 2, 3, 15])
def test_any_distance_between_stages(stage: int) -> None:
    made = pipelined(SIMPLE.replace("STAGE", str(stage)))
    run(made)
    versions = [b.shape[0].value for b in buffers(made) if len(b.shape) == 3]
    assert versions == ([stage + 1] if stage else [])


def buffers(func: PrimFunc) -> list:
    found: list = []
    post_order_visit(
        func.body, lambda n: found.extend(n.alloc_buffers) if isinstance(n, Block) else None
    )
    return found


def test_a_prologue_of_several_iterations_is_unrolled_under_conditions() -> None:
    text = pipelined(SIMPLE.replace("STAGE", "2")).script()
    assert "for i in T.unroll(2):" in text
    assert "for i in range(14):" in text


THREE = """
@T.prim_func
def main(A: T.Buffer((16, 16), "float32"), D: T.Buffer((16, 16), "float32")):
    for tx in range(16):
        for i in T.serial(0, 16, annotations={
            "software_pipeline_stage": STAGES, "software_pipeline_order": ORDERS
        }):
            with T.block("compute"):
                T.reads(A[tx, i])
                T.writes(D[tx, i])
                B = T.alloc_buffer((16, 1))
                C = T.alloc_buffer((16, 1))
                with T.block(""):
                    T.reads(A[tx, i])
                    T.writes(B[tx, 0])
                    B[tx, 0] = A[tx, i] * T.float32(2)
                with T.block(""):
                    T.reads(B[tx, 0])
                    T.writes(C[tx, 0])
                    C[tx, 0] = B[tx, 0] + T.float32(2)
                with T.block(""):
                    T.reads(C[tx, 0])
                    T.writes(D[tx, i])
                    D[tx, i] = C[tx, 0] - T.float32(1)
"""


@pytest.mark.parametrize(
    ("stages", "orders"),
    [([0, 0, 1], [0, 1, 2]), ([0, 1, 1], [0, 1, 2]), ([0, 1, 2], [2, 1, 0]),
     ([0, 1, 2], [0, 1, 2]), ([0, 1, 2], [1, 0, 2]), ([0, 0, 1], [1, 2, 0])],
)  # fmt: skip
def test_orders_and_stages(stages: list[int], orders: list[int]) -> None:
    run(pipelined(THREE.replace("STAGES", str(stages)).replace("ORDERS", str(orders))))


def test_a_value_consumed_before_it_is_overwritten_needs_one_version() -> None:
    made = pipelined(THREE.replace("STAGES", "[0, 0, 1]").replace("ORDERS", "[1, 2, 0]"))
    assert [len(buffer.shape) for buffer in buffers(made)] == [2, 2]


def test_asynchronous_stages_commit_and_wait() -> None:
    text = SIMPLE.replace("STAGE", "1").replace(
        '"software_pipeline_order"',
        '"software_pipeline_async_stages": [0], "software_pipeline_order"',
    )
    made = pipelined(text)
    run(made)
    keys: list[str] = []
    post_order_visit(
        made.body, lambda n: keys.append(n.attr_key) if isinstance(n, AttrStmt) else None
    )
    assert keys.count("async_scope") == keys.count("async_commit_queue_scope") == 2
    assert keys.count("async_wait_queue_scope") == keys.count("async_wait_inflight_count") == 2


REFUSED = {
    "has 2 statements and 3 numbers in `software_pipeline_stage`": ("[0, 1, 2]", "[0, 1]"),
    "has 2 statements and 1 numbers in `software_pipeline_order`": ("[0, 1]", "[0]"),
    "has a place twice": ("[0, 1]", "[1, 1]"),
    "moves the use of `B` before its definition": ("[1, 0]", "[0, 1]"),
    "moves the use of `B` before": ("[0, 0]", "[1, 0]"),
}


@pytest.mark.parametrize("message", REFUSED)
def test_wrong_annotations(message: str) -> None:
    stages, orders = REFUSED[message]
    text = SIMPLE.replace("[0, STAGE]", stages)
    text = text.replace('"software_pipeline_order": [0, 1]', f'"software_pipeline_order": {orders}')
    with pytest.raises(ArgumentError, match=message):
        pipelined(text)


COUNTED = """
@T.prim_func
def main(A: T.Buffer((8,), "float32"), S: T.Buffer((4,), "float32"), E: T.Buffer((8,), "float32")):
    for i in T.serial(COUNT, annotations={
        "software_pipeline_stage": [0, 1, 2, 3], "software_pipeline_order": [0, 1, 2, 3]
    }):
        with T.block("compute"):
            T.reads(A[i], S[0])
            T.writes(E[i], S[0])
            B = T.alloc_buffer((1,), scope="shared")
            with T.block("b"):
                T.reads(A[i])
                T.writes(B[0])
                B[0] = A[i] * T.float32(2)
            with T.block("c"):
                T.reads(B[0], S[0])
                T.writes(S[0])
                S[0] = S[0] + B[0]
            with T.block("d"):
                T.reads(S[1])
                T.writes(S[1])
                S[1] = S[1] + T.float32(1)
            with T.block("e"):
                T.reads(A[i])
                T.writes(E[i])
                E[i] = A[i] + T.float32(3)
"""


@pytest.mark.parametrize("count", range(1, 8))
def test_each_iteration_runs_once_also_where_the_loop_is_short(count: int) -> None:
    text = COUNTED.replace("COUNT", str(count))
    arrays = [np.arange(1, 9, dtype="float32"), np.zeros(4, "float32"), np.zeros(8, "float32")]
    expected = [array.copy() for array in arrays]
    interpreter.run(from_source(text), *expected)
    made = pipelined(text)
    interpreter.run(made, *arrays)
    for got, wanted in zip(arrays, expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_a_buffer_may_be_doubled_on_request() -> None:
    text = SIMPLE.replace("STAGE", "0")
    shape = "B = T.alloc_buffer((2, 16, 1)"
    assert shape not in pipelined(text).script()
    line = " " * 20 + "B[tx, 0] = A"
    mark = " " * 20 + 'T.block_attr({"double_buffer_scope": 0})'
    marked = text.replace(line, f"{mark}\n{line}")
    assert shape in pipelined(marked).script()


def test_a_block_within_a_statement_may_ask_for_a_doubled_buffer() -> None:
    text = SIMPLE.replace("STAGE", "0")
    line = " " * 20 + "B[tx, 0] = A"
    inner = (
        " " * 20 + "for j in range(1):\n" + " " * 24 + 'with T.block("inner"):\n'
        + " " * 28 + "T.reads(A[tx, i])\n" + " " * 28 + "T.writes(B[tx, 0])\n"
        + " " * 28 + 'T.block_attr({"double_buffer_scope": 0})\n' + " " * 28 + "B[tx, 0] = A"
    )  # fmt: skip
    assert "B = T.alloc_buffer((2, 16, 1)" in pipelined(text.replace(line, inner)).script()


def test_regions_of_unrolled_parts_lie_within_the_versions() -> None:
    made = pipelined(COUNTED.replace("COUNT", "2"))
    for block in nodes(made, Block):
        for region in (*block.reads, *block.writes):
            for part, extent in zip(region.region, region.buffer.shape, strict=True):
                if isinstance(part.min, IntImm):
                    assert 0 <= part.min.value <= part.min.value + part.extent.value <= extent.value


def test_a_double_buffer_is_one_that_the_block_writes() -> None:
    text = SIMPLE.replace("STAGE", "1").replace(
        "T.writes(B[tx, 0])",
        'T.writes(B[tx, 0])\n                    T.block_attr({"double_buffer_scope": 1})',
    )
    with pytest.raises(ArgumentError, match="`double_buffer_scope` of block `` is 1, but"):
        T.InjectSoftwarePipeline()(IRModule({"main": from_source(text)}))
