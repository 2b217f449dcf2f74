"""The command line: exit codes, JSON, one-paragraph errors, and help that shows how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result

from tests.driver.models import scaled_softplus
from tilewright import __version__
from tilewright.cli.main import Group, main
from tilewright.driver.roofline import Level, Roofline
from tilewright.support.errors import ImportModelError

COMMANDS = (
    "compile", "run", "bench", "explain", "knobs", "names", "onnx-tests", "opt", "roofline",
    "targets",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, inputs and libraries, good and bad."""
    path = tmp_path_factory.mktemp("cli")
    onnx.save(scaled_softplus("n"), str(path / "m.onnx"))
    (path / "bad.onnx").write_bytes(b"garbage" * 10)
    (path / "empty.onnx").write_bytes(b"")
    np.save(path / "x.npy", np.ones((3, 12), "float32"))
    np.save(path / "wide.npy", np.ones((3, 13), "float32"))
    np.save(path / "double.npy", np.ones((3, 12), "float64"))
    np.savez(path / "two.npz", np.ones((3, 12), "float32"), np.ones(2))
    for suffix in ("so", "tw"):
        assert run(path, "compile", "m.onnx", "-o", f"m.{suffix}").exit_code == 0
        whole = (path / f"m.{suffix}").read_bytes()
        (path / f"cut.{suffix}").write_bytes(whole[: len(whole) // 2])
    (path / "text.so").write_text("no library\n")
    return path


def run(folder: Path, *words: str) -> Result:
    """What a command does with the folder's files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return CliRunner().invoke(main, list(words), catch_exceptions=False)


def parsed(folder: Path, *words: str) -> Any:
    result = run(folder, *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_every_command_is_listed_and_explains_itself(folder: Path) -> None:
    listed = run(folder, "--help")
    assert listed.exit_code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in listed.output
        shown = run(folder, name, "--help")
        assert shown.exit_code == 0 and "Usage:" in shown.output
        command = main.get_command(click.Context(main), name)
        assert command is not None and command.help
        for option in command.params:
            assert isinstance(option, click.Argument) or getattr(option, "help", None), option.name


@pytest.mark.parametrize("name", ["compile", "run", "bench", "explain"])
def test_help_shows_examples_whose_options_exist(folder: Path, name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    known = {word for param in command.params for word in param.opts}
    lines = [line for line in str(command.help).splitlines() if f"tilewright {name} " in line]
    examples = [line.split() for line in lines if line.startswith("  ") or line[0] == "t"]
    assert examples
    for words in examples:
        assert {w for w in words if w.startswith("-") and not w.startswith("-mcpu")} <= known


def test_version(folder: Path) -> None:
    assert __version__ in run(folder, "--version").output


def test_compile_says_what_it_wrote(folder: Path) -> None:
    facts = parsed(folder, "compile", "m.onnx", "-o", "again.so")
    assert facts["bytes"] == (folder / "again.so").stat().st_size and facts["target"] == "llvm"


@pytest.mark.parametrize("file", ["m.onnx", "m.so", "m.tw"])
def test_run_shows_results(folder: Path, file: str) -> None:
    rows = parsed(folder, "run", file, "-i", "x=x.npy", "-o", "out.npz")
    expected = np.log1p(np.exp(np.ones((3, 12)) * np.linspace(-2, 2, 12)))
    assert [r["shape"] for r in rows] == [[3, 12]] and rows[0]["dtype"] == "float32"
    assert abs(rows[0]["mean"] - expected.mean()) < 1e-6
    with np.load(folder / "out.npz") as saved:
        np.testing.assert_allclose(saved["arr_0"], expected, rtol=1e-5)


def test_run_makes_inputs_of_the_size_asked_for(folder: Path) -> None:
    for size in (0, 1, 5):
        assert parsed(folder, "run", "m.so", "--size", str(size))[0]["shape"] == [size, 12]
    assert parsed(folder, "run", "m.onnx", "-s", "x=4,12")[0]["shape"] == [4, 12]


def test_bench_and_explain_give_rows(folder: Path) -> None:
    timed = parsed(folder, "bench", "m.onnx", "--rounds", "2")
    assert [row["engine"] for row in timed["rows"]] == ["tilewright"]
    for file in ("m.onnx", "m.so"):
        found = parsed(folder, "explain", file, "--no-roofline", "--runs", "2")
        assert any("y (Softplus)" in row["nodes"] for row in found["rows"])
        assert all(row["gbs"] > 0 and row["schedule"] for row in found["rows"])
    name = found["rows"][0]["kernel"]
    assert name in run(folder, "explain", "m.onnx", "--kernel", name).output


def test_bench_shows_kernels_when_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Roofline("a", 1, {"float32": 1e3}, (Level("memory", 0, 1e3, 1e3),))
    monkeypatch.setattr("tilewright.cli.bench.roofline", lambda threads: machine)
    timed = parsed(folder, "bench", "m.onnx", "--rounds", "2", "--profile")
    assert 0 < timed["profile"]["roofline"] < 100
    assert timed["profile"]["machine"]["levels"][0]["name"] == "memory"
    shown = run(folder, "bench", "m.onnx", "--rounds", "2", "--profile").output
    assert "roofline" in shown and "total" in shown


def test_the_roofline_is_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(threads: int, again: bool) -> Roofline:
        levels = (Level("memory", 0, 30.0, 20.0),)
        return Roofline("a", threads, {"float32": 100.0 * threads}, levels, 1 / threads)

    monkeypatch.setattr("tilewright.cli.roofline.roofline", made)
    assert [row["threads"] for row in parsed(folder, "roofline", "--threads", "1,2")] == [1, 2]
    shown = run(folder, "roofline", "--threads", "1,2").output
    assert "200" in shown and "memory read GB/s" in shown
    assert "50% of the cores' time was free with 2 threads" in shown
    assert run(folder, "roofline", "--threads", "two").exit_code == 2


def test_bench_compares_with_a_peer(folder: Path) -> None:
    pytest.importorskip("onnxruntime")
    words = ("bench", "m.onnx", "--against", "onnxruntime", "--rounds", "2")
    timed = parsed(folder, *words)
    assert [row["engine"] for row in timed["rows"]] == ["tilewright", "onnxruntime"]
    assert timed["difference"] < 1e-5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tilewright.cli.bench.TOLERANCE", -1.0)
        assert run(folder, *words).exit_code == 3


def test_knobs_and_targets_parse(folder: Path) -> None:
    assert {"TILEWRIGHT_CACHE"} <= {row["name"] for row in parsed(folder, "knobs")}
    facts = parsed(folder, "targets")
    assert "llvm" in facts["kinds"] and facts["cores"] >= 1
    assert facts["processor"] in run(folder, "targets").output


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("nonsense", 2, "No such command"),
        ("run nowhere.onnx", 2, "does not exist"),
        ("compile m.onnx", 2, "--output"),
        ("compile m.onnx -o m.zip", 2, "ends in .so"),
        ("compile m.onnx -o t.so -t frobnicate", 1, "unknown target kind 'frobnicate'"),
        ("compile m.onnx -o t.so -t cuda", 1, "no code generator"),
        ("compile m.onnx -o t.so -t llvm\0-mcpu=zork", 1, "the processor 'zork'"),
        ("compile m.onnx -o t.so -t llvm\0-mattr=+zork", 1, "'zork'"),
        ("run m.onnx -s x", 2, "NAME=D,D"),
        ("run m.onnx -s x=-4,12", 2, "'-4'"),
        ("run m.onnx -s x=4,,12", 2, "''"),
        ("run m.onnx -s x=4,a!", 2, "'a!'"),
        ("run m.onnx -s q=4,12", 1, "its inputs are x"),
        ("run m.onnx -s x=4,12 -s x=5,12", 2, "two shapes for 'x'"),
        ("run m.so -s x=4,12", 2, "need the ONNX model"),
        ("explain m.tw -t c", 2, "need the ONNX model"),
        ("bench m.so --opset 17", 2, "need the ONNX model"),
        ("run m.so --seed -3", 2, "--seed"),
        ("run m.so -i x=m.onnx", 2, "no array of numbers"),
        ("run m.so -i x=two.npz", 2, "no array of numbers"),
        ("opt m.onnx -p Simplify", 1, "m.onnx is no text"),
        ("names --missing -1", 2, "--missing"),
        ("onnx-tests --filter (", 2, "'(' is no regular expression"),
        ("onnx-tests --filter nosuch", 1, "has 'nosuch' in its name"),
        ("onnx-tests --jobs -1", 2, "--jobs"),
        ("run bad.onnx", 1, "not an ONNX model"),
        ("run empty.onnx", 1, "no graph"),
        ("run text.so", 1, "text.so"),
        ("run cut.so", 1, "cut off"),
        ("run cut.tw", 1, "cut.tw"),
        ("run m.so -i x", 2, "NAME=FILE"),
        ("run m.so -i x=nowhere.npy", 2, "nowhere.npy"),
        ("run m.so -i x=wide.npy", 1, "dimension 1 should be 12, found 13"),
        ("run m.so -i x=double.npy", 1, "found a float64 tensor"),
        ("run m.so -i z=x.npy", 1, "no parameter z"),
        ("run m.so --size -1", 2, "--size"),
        ("run m.so --size 99999999999999", 1, "memory"),
        ("bench m.onnx --rounds 0", 2, "--rounds"),
        ("bench m.so --against onnxruntime", 2, "needs the ONNX model"),
        ("bench m.onnx --against nobody", 2, "nobody"),
        ("explain m.onnx --kernel nope", 1, "there is no kernel 'nope'"),
        ("explain m.so --kernel nope", 2, "needs the ONNX model"),
    ],
)
def test_errors_are_one_paragraph_with_an_exit_code(
    folder: Path, words: str, code: int, said: str
) -> None:
    result = run(folder, *(word.replace("\0", " ") for word in words.split(" ")))
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output and "\n\n" not in result.stderr.split("Error:")[-1]
    assert len(result.stderr.splitlines()) <= 5 and not result.stdout


def test_explain_gives_json_of_what_was_asked_for(folder: Path) -> None:
    rows = json.loads(
        run(folder, "explain", "m.onnx", "--json", "--no-roofline", "--runs", "1").stdout
    )["rows"]
    few = json.loads(
        run(folder, "explain", "m.onnx", "--json", "--no-roofline", "--top", "1").stdout
    )["rows"]
    assert len(few) == 1 <= len(rows)
    name = next(row["kernel"] for row in rows if not row["kernel"].startswith("vm."))
    shown = json.loads(run(folder, "explain", "m.onnx", "-k", name, "--json").stdout)
    assert shown["kernel"] == name and f"def {name}(" in shown["script"]


def test_too_few_passing_tests_are_counted(folder: Path) -> None:
    done = run(folder, "onnx-tests", "--filter", "^test_relu$", "-j", "1", "--require", "2")
    assert done.exit_code == 1
    assert "error: 1 tests pass, fewer than 2" in done.stderr


def test_a_traceback_is_shown_when_asked_for(folder: Path) -> None:
    with pytest.raises(ImportModelError, match=r"bad\.onnx"):
        run(folder, "--traceback", "run", "bad.onnx")


def test_commands_are_modules_that_exist() -> None:
    assert {*Group.COMMANDS, "knobs", "targets"} == set(COMMANDS)


@pytest.mark.parametrize(
    "words",
    [
        ("compile", "m.onnx", "-o", "nowhere/m.so"),
        ("run", "m.tw", "-o", "nowhere/out.npz"),
        ("opt", "-p", "Simplify", "-o", "nowhere/x.py"),
        ("onnx-tests", "--write", "nowhere/x.md"),
    ],
    ids=lambda words: words[0],
)
def test_a_directory_that_does_not_exist_is_not_made(folder: Path, words: tuple[str, ...]) -> None:
    done = run(folder, *words)
    assert done.exit_code == 2
    assert "the directory 'nowhere' does not exist" in done.output
    assert not (folder / "nowhere").exists()
