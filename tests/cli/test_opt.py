"""`tilewright opt` runs passes over script."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from tilewright.cli.main import main
from tilewright.script import from_source
from tilewright.tir import transform

KERNEL = """
from tilewright.script import tir as TIR

N = 8

@TIR.prim_func
def f(A: TIR.Buffer((N,), "float32")):
    for i in TIR.serial(N):
        if i < 100:
            A[i] = A[i] + TIR.float32(1)
"""


def run(*args: str, text: str | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["opt", *args], input=text)
    return result.exit_code, result.output


def test_passes_run_in_order(tmp_path: Path) -> None:
    file = tmp_path / "kernel.py"
    file.write_text(KERNEL)
    code, out = run(str(file), "-p", "Simplify,tir.UnrollLoop")
    assert code == 0, out
    assert "if" not in out
    assert "for i in range(8):\n            A[i] = A[i] + T.float32(1.0)" in out
    again, same = run("-", text=out)
    assert (again, same) == (0, out)


def test_an_unknown_pass_is_named_with_near_ones() -> None:
    code, out = run("-", "-p", "Simplfy", text=KERNEL)
    assert code == 1
    assert "there is no pass 'Simplfy'" in out
    assert "did you mean Simplify" in out


def test_only_passes_are_listed_and_taken() -> None:
    names = set(run("--list")[1].split())
    assert {"Simplify", "FuseOps", "DeadCodeElimination"} <= names
    assert not names & {"Any", "ArgumentError", "BaseFunc", "Callable", "IRModule", "Pass"}
    code, out = run("-", "-p", "ArgumentError", text=KERNEL)
    assert code == 1
    assert "there is no pass 'ArgumentError'" in out
    code, out = run("-", "-p", "", text=KERNEL)
    assert code == 1
    assert "the list of passes is empty" in out


def test_a_mistake_in_the_file_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "kernel.py"
    file.write_text(KERNEL.replace("A[i] +", "B[i] +"))
    code, out = run(str(file))
    assert code == 1
    assert "`B` is not defined" in out
    assert "kernel.py:10:20" in out


ARGUMENTS = {"BindTarget": "llvm", "NarrowDataType": "32", "ThreadSync": "shared"}
BEFORE = {"MakeUnpackedAPI": "tir.BindTarget(llvm),"}
FUNCTIONS = ("Apply", "Filter")  # they take Python functions
ALONE = [name for name in transform.__all__ if name[0].isupper() and "Hoisted" not in name]
FLAT = """
@T.prim_func
def main(a: T.handle("float32"), n: T.int32):
    A = T.decl_buffer((64,), "float32", data=a)
    for i in range(8):
        if i < n:
            A[i * 8 % 64] = A[i] + T.float32(1)
"""


@pytest.mark.parametrize("name", [n for n in ALONE if n not in FUNCTIONS])
def test_every_pass_runs_alone(name: str) -> None:
    given = ARGUMENTS.get(name)
    called = f"tir.{name}({given})" if given else f"tir.{name}"
    code, out = run("-", "-p", BEFORE.get(name, "") + called, text=FLAT)
    assert code == 0, out
    assert from_source(out) is not None


def test_options_of_passes() -> None:
    args = ("-p", "UnrollLoop", "-c", "tir.UnrollLoop.auto_max_step=16")
    code, out = run("-", *args, text=FLAT)
    assert code == 0 and "for i" not in out
    code, out = run("-", "-p", "UnrollLoop", "-c", "tir.UnrollLoop.steps=1", text=FLAT)
    assert code == 1 and "has no field 'steps'" in out


def test_arguments_of_passes_are_checked() -> None:
    code, out = run("-", "-p", "NarrowDataType", text=FLAT)
    assert code == 1 and "pass NarrowDataType: missing a required argument" in out
