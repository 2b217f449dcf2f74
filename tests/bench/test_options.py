"""The commands of `bench` refuse wrong arguments before they measure anything."""

from __future__ import annotations

import importlib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

COMMANDS = (
    "agreement", "compile_time", "compiler.__main__", "demo", "dynamic_shapes", "fuzz",
    "kernels.__main__", "memory", "models", "schedules.__main__", "sharing",
)  # fmt: skip


def run(name: str, *words: str) -> Result:
    if name == "demo":
        pytest.importorskip("onnxruntime")
    command: click.Command = importlib.import_module(f"bench.{name}").main
    return CliRunner().invoke(command, words)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_shown_without_measuring(name: str) -> None:
    done = run(name, "--help")
    assert done.exit_code == 0 and "Usage:" in done.output


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("models", "--models mlp,mlq", "no model 'mlq' in the zoo"),
        ("models", "--models nowhere.onnx", "there is no file 'nowhere.onnx'"),
        ("models", "--models ,", "no model '' in the zoo"),
        ("models", "--models mlp --threads 1,", "numbers of at least 1"),
        ("models", "--models mlp --threads 0", "numbers of at least 1"),
        ("models", "--models mlp --peers numpy", "'numpy' is none of tilewright"),
        ("models", "--models mlp --rounds 0", "--rounds"),
        ("models", "--models mlp --seconds 0", "--seconds"),
        ("models", "--models mlp --json nowhere/a.json", "the directory 'nowhere' does not"),
        ("memory", "--models mlq", "no model 'mlq'"),
        ("memory", "--models mlp --engines torch", "'torch' is none of"),
        ("memory", "--models mlp --json nowhere/a.json", "the directory 'nowhere' does not"),
        ("sharing", "--models mlp", "takes two models, found 1"),
        ("sharing", "--models mlp,mlp --engines torch", "'torch' is none of"),
        ("compile_time", "--models mlq", "no model 'mlq'"),
        ("compile_time", "--models mlp --repeat 0", "--repeat"),
        ("compiler.__main__", "--groups nodes", "'nodes' is none of node"),
        ("compiler.__main__", "--groups growth --kernels 0", "--kernels"),
        ("kernels.__main__", "--family matmuls", "'matmuls' is none of matmul"),
        ("kernels.__main__", "--family matmul --threads a", "numbers of at least 1"),
        ("kernels.__main__", "--family matmul --shapes 7x7x7x7", "no case of matmul"),
        ("dynamic_shapes", "--only relu6", "no operator is named like relu6"),
        ("dynamic_shapes", "--only gelu --seconds -1", "--seconds"),
        ("agreement", "--models mlq", "'mlq' is none of"),
        ("fuzz", "--runners llvm,cuda", "'cuda' is none of llvm, c"),
        ("fuzz", "--batch 0", "--batch"),
        ("schedules.__main__", "-n 0", "--sequences"),
        ("schedules.__main__", "--programs nothing", "'nothing' is none of"),
    ],
)
def test_wrong_arguments_are_usage_errors(name: str, words: str, said: str) -> None:
    done = run(name, *words.split())
    assert done.exit_code == 2, done.output
    assert said in " ".join(done.output.split())


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    file = tmp_path / "text.onnx"
    file.write_text("no model")
    done = run("models", "--models", str(file), "--peers", "tilewright")
    assert done.exit_code == 1
    assert "text.onnx is not an ONNX model" in done.output
