"""What the rules say of their decisions."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright
from tilewright import te, topi
from tilewright.dlight.base import REASON, note, with_reason
from tilewright.dlight.cpu.stages import attempt
from tilewright.script import tir as T
from tilewright.tir.schedule import Schedule

from .kernels import AVX512, schedule


def reason(*tensors: te.Tensor) -> str:
    """The reason that the default rules give for a function of tensors."""
    return str(schedule(te.create_prim_func(tensors), AVX512).attrs[REASON])


def test_a_product_says_its_tile() -> None:
    a, b = te.placeholder((256, 256), name="a"), te.placeholder((256, 256), name="b")
    text = reason(a, b, topi.matmul(a, b))
    assert text.startswith("Contractions: ")
    assert " rows by " in text and "float32x16" in text and "parallel over" in text


def test_short_rows_from_memory_are_fetched_ahead() -> None:
    a, b = te.placeholder((20000, 250), name="a"), te.placeholder((250, 64), name="b")
    assert "sum by 2, fetched 4 tiles ahead, parallel" in reason(a, b, topi.matmul(a, b))
    a, b = te.placeholder((20000, 1024), name="a"), te.placeholder((1024, 64), name="b")
    assert "fetched" not in reason(a, b, topi.matmul(a, b))


@pytest.mark.parametrize(
    ("rows", "steps", "columns", "fetched"),
    [
        (128, 768, 768, True),  # ten tiles of rows go through a panel of weights
        (6, 768, 768, True),  # one does
        (1, 768, 768, False),  # a stream: the machine fetches it by itself
        (2048, 768, 768, False),  # the first tile's waiting is nothing to the others' time
        (128, 64, 64, False),  # weights that the first cache keeps
        (128, 8192, 768, False),  # two panels are more than the second cache
    ],
)
def test_panels_of_weights_are_fetched_one_ahead(
    rows: int, steps: int, columns: int, fetched: bool
) -> None:
    a = te.placeholder((rows, steps), name="a")
    b = te.placeholder((columns // 32, steps, 32), name="b")
    k = te.reduce_axis((0, steps), name="k")
    made = te.compute((rows, columns), lambda i, j: te.sum(a[i, k] * b[j // 32, k, j % 32], axis=k))
    assert ("panels fetched one ahead" in reason(a, b, made)) == fetched


def test_small_work_stays_on_one_thread() -> None:
    a = te.placeholder((4, 32), name="a")
    assert reason(a, topi.exp(a)) == "Fallback: elementwise float32x16, one thread (small)"


def test_rows_say_what_they_compute_together() -> None:
    a = te.placeholder((64, 128), name="a")
    text = reason(a, topi.nn.softmax(a, axis=1))
    assert text == "Rows: rows with 2 sums and 2 other steps, float32x16, one thread (small)"


def test_columns_say_how_many_accumulate() -> None:
    a = te.placeholder((32, 64), name="a")
    assert reason(a, topi.sum(a, axis=0)).startswith("Fallback: reduction by 4 float32x16")


def test_notes_move_from_blocks_to_the_function() -> None:
    @T.prim_func
    def double(a: T.Buffer((8,), "float32"), b: T.Buffer((8,), "float32")):
        for i in range(8):
            with T.block("double"):
                vi = T.axis.spatial(8, i)
                b[vi] = a[vi] * T.float32(2)

    sch = Schedule(double)
    note(sch, sch.get_block("double"), "as it is")
    made = with_reason(sch.func, "Mine")
    assert made.attrs[REASON] == "Mine: as it is"
    assert REASON not in made.without_attr(REASON).script()
    assert with_reason(double, "Mine").attrs[REASON] == "Mine: loops as they were written"


def test_the_log_says_why_a_step_does_not_apply(caplog: pytest.LogCaptureFixture) -> None:
    @T.prim_func
    def count(a: T.Buffer((8,), "float32"), b: T.Buffer((8,), "float32")):
        for i in range(8):
            with T.block("shift"):
                vi = T.axis.spatial(8, i)
                b[vi] = a[vi] + T.float32(1)

    sch = Schedule(count, error_render_level="fast")
    with caplog.at_level("DEBUG", logger="tilewright.dlight"):
        assert not attempt(sch.compute_inline, sch.get_block("shift"))
    (record,) = caplog.records
    assert record.getMessage().startswith("a step does not apply: compute_inline: ")


def test_a_pipeline_of_the_user_is_a_schedule() -> None:
    @T.prim_func
    def main(A: T.Buffer((16, 4), "float32"), C: T.Buffer((16, 4), "float32")):
        B = T.alloc_buffer((16, 4), "float32")
        for i in T.serial(16, annotations={"software_pipeline_stage": [0, 1],
                                           "software_pipeline_order": [0, 1]}):  # fmt: skip
            for j in range(4):
                with T.block("B"):
                    u, v = T.axis.remap("SS", [i, j])
                    B[u, v] = A[u, v] * T.float32(2)
            for j in range(4):
                with T.block("C"):
                    u, v = T.axis.remap("SS", [i, j])
                    C[u, v] = B[u, v] + T.float32(1)

    given = np.arange(64, dtype="float32").reshape(16, 4)
    result = np.zeros_like(given)
    tilewright.build(main, "llvm")["main"](given, result)
    np.testing.assert_array_equal(result, given * 2 + 1)
