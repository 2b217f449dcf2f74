"""The example keeps its promises: every step computes the product, the last one as intended."""

import numpy as np
import pytest
from click.testing import CliRunner

from examples.matmul_by_hand import VECTORS, lanes, main, matmul, steps
from tilewright import nd, tir
from tilewright.driver import build

SIZE = 64


@pytest.fixture(scope="module")
def programs() -> dict[str, tir.PrimFunc]:
    sch = tir.Schedule(matmul(SIZE), debug_mask="all")
    found = {}
    for step in steps(sch, 8):  # the schedule goes on between two of them
        found[step] = sch.mod["main"]
    return found


def test_every_step_is_the_product(programs: dict[str, tir.PrimFunc]) -> None:
    a, b = np.random.default_rng(0).standard_normal((2, SIZE, SIZE), np.float32)
    for step, func in programs.items():
        out = nd.array(np.full_like(a, np.nan))
        build(func, "llvm")["matmul"](nd.array(a), nd.array(b), out)
        np.testing.assert_allclose(out.numpy(), a @ b, rtol=1e-4, atol=1e-4, err_msg=step)


def test_the_last_step_keeps_a_tile_and_reads_panels(programs: dict[str, tir.PrimFunc]) -> None:
    text = programs["zeros before the sum"].script()
    panel = 8 * VECTORS
    assert f"B_global = T.alloc_buffer(({SIZE // panel}, {SIZE}, {panel}))" in text
    assert "for j_0 in T.parallel(4):" in text
    assert 'C_local = T.alloc_buffer((64, 64), scope="local")' in text
    assert text.count("T.unroll") == 6


def test_build_leaves_the_schedule_alone(programs: dict[str, tir.PrimFunc]) -> None:
    assert all(func.attrs["tir.is_scheduled"] for func in programs.values())


def test_the_command_times_each_step_beside_numpy() -> None:
    size = str(4 * lanes())
    done = CliRunner().invoke(
        main, ["--size", size, "--rounds", "1", "--seconds", "0.001"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    rows = done.output.splitlines()[2:]
    assert [row[:20].strip() for row in rows][-2:] == ["zeros before the sum", "compiler's own"]
    assert all(len(row.split()) >= 6 for row in rows)
