"""`tilewright opt` runs passes over script."""

from pathlib import Path

from click.testing import CliRunner

from tilewright.cli.main import main

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
    again, same = run("-", "-p", "", text=out)
    assert (again, same) == (0, out)


def test_an_unknown_pass_is_named_with_near_ones() -> None:
    code, out = run("-", "-p", "Simplfy", text=KERNEL)
    assert code == 1
    assert "there is no pass 'Simplfy'" in out
    assert "did you mean Simplify" in out


def test_a_mistake_in_the_file_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "kernel.py"
    file.write_text(KERNEL.replace("A[i] +", "B[i] +"))
    code, out = run(str(file))
    assert code == 1
    assert "`B` is not defined" in out
    assert "kernel.py:10:20" in out
