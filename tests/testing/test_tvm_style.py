"""A file of tests in the way of TVM's own is collected and passes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tilewright.support.c_compiler import find_c_compiler

STYLE = Path(__file__).with_name("tvm_style.py")
START = """
import runpy, sys
import tilewright
sys.modules["tvm"] = tilewright
sys.argv = [sys.argv[1], "-q", "-rA", "-W", "error", "-p", "no:cacheprovider", "-n0"]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("style") / "test_style.py"
    file.write_text(STYLE.read_text())
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r}){START}"]
    done = subprocess.run(
        [*command, str(file)], capture_output=True, text=True, cwd=file.parent, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def outcomes(report: str, outcome: str) -> list[str]:
    return re.findall(rf"^{outcome} .*?test_style\.py::(\S+)", report, re.MULTILINE)


def test_parameters_vary_and_those_of_a_group_vary_together(report: str) -> None:
    passed = outcomes(report, "PASSED")
    assert {"test_one[4]", "test_one[8]"} <= set(passed)
    pairs = [name for name in passed if name.startswith("test_pairs")]
    assert sorted(pairs) == ["test_pairs[float32-1e-06]", "test_pairs[float64-1e-12]"]


def test_targets_are_those_asked_for_or_the_default_ones(report: str) -> None:
    passed = outcomes(report, "PASSED")
    assert "test_default_targets[llvm]" in passed
    assert "test_targets[8-llvm]" in passed
    assert ("test_targets[8-c]" in passed) == (find_c_compiler() is not None)


def test_excluded_targets_do_not_run_and_failing_ones_may_fail(report: str) -> None:
    assert not [n for n in outcomes(report, "PASSED") if n.startswith("test_excluded")]
    failing = ["test_failing[llvm]", "test_failing_given[llvm]", "test_order[a-b]"]
    assert sorted(outcomes(report, "XFAIL")) == failing


def test_some_parameters_do_not_run_and_slow_tests_do(report: str) -> None:
    passed = outcomes(report, "PASSED")
    assert {"test_few[2]", "test_order[b-a]", "test_slow[1]"} <= set(passed)
    assert "test_few[3]" not in passed


def test_targets_given_by_pytest_are_skipped_where_they_cannot_run(report: str) -> None:
    ran = [name for name in outcomes(report, "PASSED") if name.startswith("test_given_targets")]
    assert ran == ["test_given_targets[llvm]", "test_given_targets[nothing]"]


def test_what_the_machine_lacks_is_skipped(report: str) -> None:
    ran = outcomes(report, "PASSED") + outcomes(report, "FAILED")
    assert "test_gpu" not in ran and "test_marks[cuda]" not in ran
    assert {"test_llvm", "test_marks[llvm]"} <= set(ran)


@pytest.mark.parametrize("name", ["TestSimplify", "TestSame", "TestModule", "TestRaises"])
def test_programs_are_compared_before_and_after(report: str, name: str) -> None:
    assert f"{name}::test_compare" in outcomes(report, "PASSED")


def test_before_and_expected_may_be_fixtures(report: str) -> None:
    passed = outcomes(report, "PASSED")
    assert {"TestParam::test_compare[1]", "TestParam::test_compare[2]"} <= set(passed)
