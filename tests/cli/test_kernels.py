"""Where a model's time goes: rows of kernels from profiles."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tilewright.cli.kernels import nodes_of, of_reports, scalars_of, table_of
from tilewright.driver.facts import KernelFacts
from tilewright.driver.roofline import Level, Roofline
from tilewright.ir.json import save_json
from tilewright.runtime.profiling import Report
from tilewright.tir import Var

MACHINE = Roofline("a", 1, {"float32": 100.0}, (Level("memory", 0, 10.0, 10.0),))
FACTS = {
    "product": KernelFacts(1_000_000, 1000, "float32", "Contractions: 6 rows"),
    "copy": KernelFacts(0, 20_000, "", "Fallback"),
}


def _call(name: str, us: float, span: str = "", shapes: str = "float32[2]") -> dict[str, object]:
    return {"Name": name, "Duration (us)": us, "Argument Shapes": shapes, "Span": span}


def _report(*calls: dict[str, object]) -> Report:
    return Report([dict(call) for call in calls])


def test_calls_of_a_kernel_are_one_row_with_its_rates() -> None:
    report = _report(
        _call("copy", 4.0, "ONNX node 't' (Transpose)"),
        _call("product", 20.0, "ONNX node 'a' (MatMul) + ONNX node 'b' (Relu)"),
        _call("product", 30.0, "ONNX node 'c' (MatMul)"),
        _call("vm.builtin.reshape", 6.0),
    )
    found = of_reports([report], FACTS, threads=1, machine=MACHINE)
    assert [row.kernel for row in found.rows] == ["product", "vm.builtin.reshape", "copy"]
    product, builtin, copy = found.rows
    assert (product.calls, product.us, product.nodes) == (
        2, 50.0, ("a (MatMul)", "b (Relu)", "c (MatMul)"),
    )  # fmt: skip
    assert product.gflops == pytest.approx(40.0)
    assert product.roofline == pytest.approx(40.0) and product.limit == "arithmetic"
    assert copy.gbs == pytest.approx(5.0)
    assert copy.roofline == pytest.approx(50.0) and copy.limit == "memory"
    assert (builtin.gflops, builtin.roofline, builtin.schedule) == (None, None, "")
    assert found.total_us == 60.0 and product.percent == pytest.approx(100 * 50 / 60)
    assert found.roofline == pytest.approx(100 * 22 / 60)


def test_a_time_is_the_median_of_the_runs() -> None:
    reports = [_report(_call("copy", us)) for us in (9.0, 4.0, 5.0)]
    assert of_reports(reports, FACTS, threads=1, machine=None).rows[0].us == 5.0


def test_without_a_machine_there_is_no_share() -> None:
    found = of_reports([_report(_call("copy", 4.0))], FACTS, threads=2, machine=None)
    assert found.rows[0].roofline is None and found.roofline is None
    assert found.json()["rows"][0]["gbs"] == pytest.approx(5.0)


def test_work_that_needs_unknown_sizes_is_left_out() -> None:
    n = Var("n", "int64")
    facts = {"f": KernelFacts(save_json(n * 2), save_json(n * 8), "float32", "s", ("n",))}
    for shapes, rates in (("float32[2], 5", (0.01, 0.04)), ("float32[2]", (None, None))):
        report = _report(_call("f", 1.0, shapes=shapes))
        (row,) = of_reports([report], facts, threads=1, machine=None).rows
        assert (row.gflops, row.gbs) == rates


def test_no_calls_at_all() -> None:
    found = of_reports([_report()], {}, threads=1, machine=MACHINE)
    assert (found.rows, found.total_us, found.roofline) == ((), 0, None)


def test_nodes_and_scalars_are_read_from_a_profile() -> None:
    assert nodes_of("ONNX node 'x' (Conv) + ONNX node 'y z' (Add)") == ["x (Conv)", "y z (Add)"]
    assert nodes_of("file.py:3") == ["file.py:3"] and nodes_of("") == []
    assert scalars_of("float32[2, 3], int64[4], 7, -1") == [7, -1]


def test_the_table_ends_with_the_total() -> None:
    calls = [_call("copy", 4.0, f"ONNX node 'n{i}' (Transpose)") for i in range(5)]
    stream = io.StringIO()
    found = of_reports([_report(*calls)], FACTS, threads=1, machine=MACHINE)
    Console(width=160, file=stream).print(table_of(found))
    text = stream.getvalue()
    assert "50% memory" in text and "and 2 more" in text
    assert "total" in text.splitlines()[-2]
